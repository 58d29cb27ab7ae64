"""Inductor, which makes machine code of a traced step; its results are kept on disk."""

import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from fmkeras.files import cache_folder


def compile_graph(
    module: torch.fx.GraphModule, inputs: Sequence[torch.Tensor]
) -> Callable | None:
    """Return the graph compiled for inputs of these shapes.

    None, with a warning, where Inductor fails, for want of a C++ compiler say.
    """
    if "TORCHINDUCTOR_CACHE_DIR" not in os.environ:
        # Torch's own default asks for the user's name, which not every user has.
        spare = Path(tempfile.gettempdir()) / f"fmkeras-inductor-{os.getuid()}"
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache_folder("inductor") or spare)
    try:
        return torch._inductor.compile(module, list(inputs))
    except Exception as error:  # whatever a compiler of another kind says
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        warnings.warn(
            f"Inductor does not compile this step ({reason}); it runs as it is, "
            "slower.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
