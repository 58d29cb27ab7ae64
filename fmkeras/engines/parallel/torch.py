"""Processes of torch.distributed: NCCL between GPUs, gloo between CPUs.

The environment is torchrun's: RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import distributed

from fmkeras.engines.parallel.processes import Processes
from fmkeras.engines.torch.layout import outputs_first
from fmkeras.errors import PeerLost


def join() -> "TorchProcesses":
    """Join the process group that the environment describes."""
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "nccl"
    with _peers():
        distributed.init_process_group(backend)
    return TorchProcesses()


class TorchProcesses(Processes):
    """The default process group."""

    def __init__(self) -> None:
        self.rank = distributed.get_rank()
        self.count = distributed.get_world_size()
        nccl = distributed.get_backend() == "nccl"
        self._device = "cuda" if nccl else "cpu"

    def total(self, values):
        tensor = torch.tensor(np.asarray(values, np.float64), device=self._device)
        self.sum_in_place(tensor)
        return tensor.cpu().numpy()

    def sum_in_place(self, tensor: torch.Tensor) -> None:
        """Replace a tensor by the sum over all processes."""
        with _peers():
            distributed.all_reduce(tensor)

    def leave(self):
        if distributed.is_initialized():
            distributed.destroy_process_group()


class Bucket:
    """The tensors of a step in one flat tensor, to be summed by one call."""

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        """Prepare for tensors of these shapes and types."""
        firsts = [outputs_first(tensor) for tensor in tensors]
        self._shapes = [first.shape for first in firsts]
        self._types = [first.dtype for first in firsts]

    @staticmethod
    def pack(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the values of all tensors, float32, each in its order of memory."""
        return torch.cat(
            [outputs_first(t).reshape(-1).to(torch.float32) for t in tensors]
        )

    def unpack(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """Return views of what `pack` has packed, shaped as before."""
        parts = flat.split([shape.numel() for shape in self._shapes])
        tensors = []
        for part, shape, dtype in zip(parts, self._shapes, self._types, strict=True):
            tensor = part.view(shape).to(dtype)
            tensors.append(tensor.movedim(0, -1) if tensor.ndim > 1 else tensor)
        return tensors


@contextlib.contextmanager
def _peers() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(str(error)) from error
