"""Durations in words and figures, and how much of a long command is left."""

import time
from collections import deque
from collections.abc import Callable, Sequence

# Of how many parts, those done last, the pace is taken.
RECENT = 5
# Seconds from one line on what is left to the next.
EVERY = 20.0
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def clock(seconds: float) -> str:
    """Return minutes and seconds, or hours too: 4:05, 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def about(seconds: float) -> str:
    """Return a duration in words, as exact as an estimate is: about 3 hours."""
    if seconds < 90:
        return f"about {max(round(seconds, -1), 10):.0f} seconds"
    if seconds < 90 * _MINUTE:
        return f"about {seconds / _MINUTE:.0f} minutes"
    if seconds < 20 * _HOUR:
        return f"about {seconds / _HOUR:.0f} hours"
    if seconds < 1.5 * _DAY:
        return "about a day"
    return f"about {seconds / _DAY:.0f} days"


def fitting_unit(seconds: float) -> tuple[str, float]:
    """Return the unit for an axis that ends at a duration, and its seconds."""
    for unit, length in (("days", _DAY), ("hours", _HOUR), ("minutes", _MINUTE)):
        if seconds >= 2 * length:
            return unit, float(length)
    return "seconds", 1.0


class Countdown:
    """Says after each of several parts how long the others will take.

    The pace is that of the parts done last; `weights` say how the parts compare, where
    some are known to be longer. A line at most every `EVERY` seconds. `skip` is for a
    part that costs nothing, such as one that a record holds already.
    """

    def __init__(
        self,
        total: int,
        what: str,
        log: Callable[[str], None],
        weights: Sequence[float] = (),
    ) -> None:
        self.total = total
        self.what = what
        self.log = log
        self._weights = deque(weights or [1.0] * total)
        self._took: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self._began = self._said = time.monotonic()

    @property
    def left(self) -> int:
        """How many parts are not done."""
        return len(self._weights)

    def skip(self) -> None:
        """Count a part that was done before."""
        self._weights.popleft()
        self._began = time.monotonic()

    def done(self) -> None:
        """Count a part that ends now, and say how long the others will take."""
        now = time.monotonic()
        self._took.append((now - self._began, self._weights.popleft()))
        self._began = now
        if self.left and now - self._said >= EVERY:
            self._said = now
            seconds, weight = map(sum, zip(*self._took, strict=True))
            self.log(
                f"{self.total - self.left} of {self.total} {self.what}; "
                f"{about(seconds / weight * sum(self._weights))} left at this pace"
            )
