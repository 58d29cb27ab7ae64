"""Compiles a traced step by Inductor; a cache on disk keeps the machine code."""

import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from fmkeras.engines.torch.extrema import keep_extrema
from fmkeras.files import cache_folder


def compile_graph(
    module: torch.fx.GraphModule, inputs: Sequence[torch.Tensor]
) -> Callable | None:
    """Return the graph compiled for inputs of these shapes.

    Returns None, with a warning, where Inductor fails, as without a C++ compiler.
    """
    if "TORCHINDUCTOR_CACHE_DIR" not in os.environ:
        # Torch's own default asks for the user's name, which not every user has.
        spare = Path(tempfile.gettempdir()) / f"fmkeras-inductor-{os.getuid()}"
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache_folder("inductor") or spare)
    keep_extrema(module)
    try:
        return torch._inductor.compile(module, list(inputs))
    except Exception as error:  # compilers raise errors of any type
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        warnings.warn(
            f"Inductor does not compile this step ({reason}); it runs uncompiled, "
            "slower.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
