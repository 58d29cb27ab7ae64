"""How far the rounds of a benchmark differ, in rates and in ratios."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb

# Half the interval of the median, as a share of it, from which it is called wide.
WIDE = 0.15
# How surely that interval holds the median: as the ends of five rounds do.
SURE = 15 / 16


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return those two of `values` that hold the median of all there may be.

    The narrowest pair, as many values left out below as above, that does so in at
    least 15 of 16 cases, whatever the distribution (that of the sign test); of five
    values and fewer, the smallest and the largest.
    """
    ordered, count = sorted(values), len(values)
    left_out, missed = 0, 2
    while True:
        missed += 2 * comb(count, left_out + 1)
        if missed > (1 - SURE) * 2**count:
            return ordered[left_out], ordered[count - 1 - left_out]
        left_out += 1


@dataclass(frozen=True)
class Ratio:
    """A ratio of two competitors' medians, with its interval over the rounds.

    `low` and `high` hold the median of the ratios of a round, in which both had their
    turn one soon after the other (see `median_interval`).
    """

    value: float
    low: float
    high: float

    def to_text(self) -> str:
        """Return it as in 1.40 (1.31–1.52); without rounds as in 1.40."""
        if self.low == self.high:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"


def rounds_of(figures: Mapping) -> list[float]:
    """Return the rates of the rounds, or the median where a record has it alone."""
    return figures.get("rates") or [figures["median"]]


def spread(figures: Mapping) -> float:
    """Return half the interval of a competitor's median, as a share of it."""
    low, high = median_interval(rounds_of(figures))
    return (high - low) / (2 * figures["median"])


def ratio_of(ours: Mapping, theirs: Mapping) -> Ratio:
    """Return the ratio of two competitors of the same rounds."""
    value = ours["median"] / theirs["median"]
    pairs = zip(rounds_of(ours), rounds_of(theirs), strict=True)
    low, high = median_interval([one / other for one, other in pairs])
    return Ratio(value, min(value, low), max(value, high))


def rate_text(figures: Mapping) -> str:
    """Return the median rate with its spread, as in 8,665 ± 4 %, where it is known."""
    if not figures.get("rates"):
        return f"{figures['median']:,.0f}"
    return f"{figures['median']:,.0f} ± {100 * spread(figures):.0f} %"


def warn_if_wide(
    what: str, figures: Mapping[str, Mapping], log: Callable[[str], None]
) -> None:
    """Say which competitors' rounds differ much."""
    wide = {name: spread(found) for name, found in figures.items()}
    wide = {name: share for name, share in wide.items() if share > WIDE}
    if wide:
        listed = ", ".join(f"{name} ± {100 * s:.0f} %" for name, s in wide.items())
        log(f"  Warning: the rounds of {what} differ much: {listed}")
