"""The rows of a batch that one of several devices computes."""

from typing import NamedTuple


class Share(NamedTuple):
    """The rows `start` to `stop`, without `stop`, of a batch of `count` images.

    `weight` is the device's part of the mean over the batch: its images divided by
    `count`. Where there are more devices than images some have none; these compute the
    first row with a weight of 0, so that every device takes part in the sums.
    """

    start: int
    stop: int
    count: int
    weight: float = 1.0

    @classmethod
    def whole(cls, count: int) -> "Share":
        """Return the share of a single device."""
        return cls(0, count, count)

    @classmethod
    def of(cls, count: int, rank: int, devices: int) -> "Share":
        """Return the rows of device `rank`, 0 to `devices` - 1.

        The first devices have one row more where the rows cannot be divided evenly.
        """
        rows, more = divmod(count, devices)
        start = rank * rows + min(rank, more)
        stop = start + rows + (rank < more)
        if start == stop:
            return cls(0, 1, count, 0.0)
        return cls(start, stop, count, (stop - start) / count)

    @property
    def is_whole(self) -> bool:
        return self.stop - self.start == self.count and self.weight == 1

    @property
    def rows(self) -> slice:
        return slice(self.start, self.stop)
