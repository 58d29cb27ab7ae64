"""Totals of passes over images, and the progress of a training inside an epoch."""

from dataclasses import dataclass

import numpy as np


@dataclass
class MetricTotals:
    """The totals of a pass over images, summed inside the compiled step.

    Attributes:
        confusion: int64 (classes, classes); rows are true, columns predicted.
        loss_sum: the loss, summed over the images.
    """

    confusion: np.ndarray
    loss_sum: float = 0.0

    @classmethod
    def zeros(cls, num_classes: int) -> "MetricTotals":
        """Return the totals of no image."""
        return cls(np.zeros((num_classes, num_classes), np.int64))

    def named(self, prefix: str = "") -> dict[str, float]:
        """Return loss and accuracy under the names that Keras logs them by."""
        return {f"{prefix}loss": self.loss, f"{prefix}accuracy": self.accuracy}

    def add(self, losses: np.ndarray, confusion: np.ndarray) -> None:
        # One by one, so that the sum does not depend on the number of steps in a call.
        for loss in losses.tolist():
            self.loss_sum += loss
        self.confusion = self.confusion + np.asarray(confusion).astype(np.int64)

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def loss(self) -> float:
        return self.loss_sum / max(self.count, 1)

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion)) / max(self.count, 1)


@dataclass
class EpochProgress:
    """The progress of a training inside an epoch.

    Attributes:
        epoch: the current epoch; 0 is the first.
        step: the number of its batches that are done.
        seconds: their time.
        totals: their totals.
        random_state: the state of the backend's own generator, uint8 (n,).
    """

    epoch: int
    step: int
    seconds: float
    totals: MetricTotals
    random_state: np.ndarray

    @classmethod
    def begun(cls, epoch: int, num_classes: int) -> "EpochProgress":
        """Return the progress of an epoch of which no batch is done."""
        totals = MetricTotals.zeros(num_classes)
        return cls(epoch, 0, 0.0, totals, np.zeros(0, np.uint8))
