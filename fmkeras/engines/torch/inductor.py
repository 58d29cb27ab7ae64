"""Inductor, which makes machine code of a traced step; its results are kept on disk."""

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

CACHE = Path("~/.cache/fmkeras/inductor")


def compile_graph(
    module: torch.fx.GraphModule, inputs: Sequence[torch.Tensor]
) -> Callable | None:
    """Return the graph compiled for inputs of these shapes.

    None, with a warning, where Inductor fails, for want of a C++ compiler say.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(CACHE.expanduser()))
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
