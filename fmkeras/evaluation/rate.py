"""Images per second of a pass over images, compilation left out."""

import statistics
import time


class BatchRate:
    """Times batches: call it with the size of each when it is done.

    The first batch traces or compiles the step, and a last, shorter one does so again:
    neither counts. The median over the others is what the model reaches while other
    work on the machine comes and goes.
    """

    def __init__(self) -> None:
        self._counts: list[int] = []
        self._times = [time.perf_counter()]

    def __call__(self, count: int) -> None:
        self._counts.append(count)
        self._times.append(time.perf_counter())

    def per_second(self, count: int) -> float:
        """Return images per second of a pass over `count` images that is done.

        Where no second batch is of full size, it is that of the whole pass.
        """
        pairs = zip(self._times, self._times[1:], strict=False)
        seconds = [end - start for start, end in pairs]
        full = [
            duration
            for size, duration in zip(self._counts[1:], seconds[1:], strict=True)
            if size == self._counts[0]
        ]
        if full:
            return self._counts[0] / statistics.median(full)
        return count / (time.perf_counter() - self._times[0])
