"""The processes of one training, and what they tell each other."""

import contextlib
import importlib

import keras
import numpy as np

from fmkeras.engines.parallel.share import Share
from fmkeras.process.launched import is_one_of_several

# Modules with a function `join() -> Processes`.
_BACKENDS = {
    "torch": "fmkeras.engines.parallel.torch",
    "tensorflow": "fmkeras.engines.parallel.tensorflow",
    "jax": "fmkeras.engines.parallel.jax",
}


class Processes:
    """A single process, and the base of several that train together.

    Attributes:
        rank: the number of this process, 0 for the one that writes files and prints.
        count: the number of processes, one a device.
    """

    rank = 0
    count = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files and prints."""
        return self.rank == 0

    def share(self, batch: int) -> Share:
        """Return the rows of a batch that this process computes."""
        return Share.of(batch, self.rank, self.count)

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of the arrays of all processes, float64.

        All must call it, with arrays of the same shape.
        """
        return np.asarray(values, np.float64)

    def mean(self, value: float) -> float:
        """Return the mean of the numbers of all processes."""
        return float(self.total(np.array([value]))[0]) / self.count

    def watch(self) -> contextlib.AbstractContextManager:
        """Raise `PeerLost` where a step fails because another process is gone."""
        return contextlib.nullcontext()

    def leave(self) -> None:
        """Say that this process needs the others no more."""


SINGLE = Processes()
_joined = SINGLE


def join() -> Processes:
    """Join the training that the environment tells of; return its processes.

    The variables are the backend's own. Raises `UserError` where the others cannot be
    reached. Further calls return the same.
    """
    global _joined
    backend = keras.backend.backend()
    if _joined is SINGLE and is_one_of_several(backend):
        _joined = importlib.import_module(_BACKENDS[backend]).join()
    return _joined


def current() -> Processes:
    """Return the processes that this one has joined, or `SINGLE`."""
    return _joined
