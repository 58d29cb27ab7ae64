"""A training step on an NVIDIA GPU, recorded once and launched as one.

The kernels of a small network take less time than Python takes to launch them. A CUDA
graph launches all of them at once; in return each number has to lie where it lay.
"""

import warnings
from collections.abc import Callable, Sequence

import torch

# Steps before recording: libraries choose their kernels and fetch their memory.
WARM_UP = 3


def record_graph(run: Callable) -> tuple[Callable, Sequence[torch.Tensor]]:
    """Return what launches `run` again, and the tensors that hold its results then.

    Nothing is computed while recording.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = run()
    return graph.replay, results


class RecordedStep:
    """A step that is recorded when it is called for the fourth time.

    Where the GPU cannot record it, a warning says so and the step runs as it is.
    """

    def __init__(self, run: Callable, kept: int, written: int) -> None:
        """Take `run`, of tensors, and how its inputs change from call to call.

        Args:
            run: the step; returns a sequence of tensors.
            kept: how many inputs, the first, are the same tensors at each call.
            written: how many inputs, the last, the step writes into.
        """
        self._run = run
        self._kept, self._written = kept, written
        self._step_chunks = 0
        self._refused = False
        self._addresses: list[int] = []

    def __call__(self, *inputs: torch.Tensor) -> Sequence[torch.Tensor]:
        """Run the step; on a GPU the results are overwritten by the next call."""
        self._step_chunks += 1
        if self._refused or self._step_chunks <= WARM_UP:
            return self._run(*inputs)
        kept, passing = inputs[: self._kept], inputs[self._kept :]
        addresses = [tensor.data_ptr() for tensor in kept]
        if addresses != self._addresses:
            if not self._recorded(kept, passing):
                return self._run(*inputs)
            self._addresses = addresses
        for place, tensor in zip(self._places, passing, strict=True):
            place.copy_(tensor)
        self._replay()
        last = slice(len(passing) - self._written, None)
        for place, tensor in zip(self._places[last], passing[last], strict=True):
            tensor.copy_(place)
        return self._results

    def _recorded(self, kept, passing) -> bool:
        self._places = [tensor.clone() for tensor in passing]
        try:
            self._replay, self._results = record_graph(
                lambda: self._run(*kept, *self._places)
            )
        except RuntimeError as error:
            self._refused = True
            warnings.warn(
                "The GPU cannot record this step "
                f"({str(error).strip().splitlines()[0]}); it runs as it is, slower.",
                RuntimeWarning,
                stacklevel=3,
            )
            return False
        return True
