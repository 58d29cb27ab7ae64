"""A training step on an NVIDIA GPU as a CUDA graph: recorded once, launched as one.

The kernels of a small model take less time than Python takes to launch them. A CUDA
graph launches all of them at once, but every tensor has to keep its memory address.
"""

import warnings
from collections.abc import Callable, Sequence

import torch

# Steps before recording, in which libraries choose kernels and allocate memory.
WARM_UP = 3


def record_graph(run: Callable) -> tuple[Callable, Sequence[torch.Tensor]]:
    """Record `run`; return a function that launches it, and the tensors of its results.

    Recording computes nothing.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = run()
    return graph.replay, results


class RecordedStep:
    """A step that is recorded at its fourth call.

    Where the GPU cannot record it, the step warns and runs unrecorded.
    """

    def __init__(self, run: Callable, kept: int, written: int) -> None:
        """Prepare a step.

        Args:
            run: the step, a function of tensors; it returns a sequence of tensors.
            kept: the number of first inputs that are the same tensors at each call.
            written: the number of last inputs that the step writes into.
        """
        self._run = run
        self._kept, self._written = kept, written
        self._calls = 0
        self._refused = False
        self._addresses: list[int] = []

    def __call__(self, *inputs: torch.Tensor) -> Sequence[torch.Tensor]:
        """Run the step; the next call of a recorded step overwrites the results."""
        self._calls += 1
        if self._refused or self._calls <= WARM_UP:
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
                f"({str(error).strip().splitlines()[0]}); it runs unrecorded, slower.",
                RuntimeWarning,
                stacklevel=3,
            )
            return False
        return True
