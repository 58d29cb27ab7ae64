"""The backends, and the choice of one before keras is imported."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator

from fmkeras.errors import UserError, unknown

BACKENDS = ("torch", "tensorflow", "jax")


def set_backend(backend: str) -> None:
    """Let keras, once imported, run on `backend`; raise `UserError` if it cannot."""
    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    if importlib.util.find_spec(backend) is None:
        raise UserError(
            f"The backend is not installed; expected the package '{backend}': install "
            f"it with 'pip install {backend}', or take another. Received: {backend!r}"
        )
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextlib.contextmanager
def block_imports(*packages: str) -> Iterator[None]:
    """Keep Keras from importing packages that it takes where they are installed.

    They take seconds that a run has no use for. None in `sys.modules` makes an import
    fail, which Keras takes for 'not installed'. What is there already stays.
    """
    absent = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
