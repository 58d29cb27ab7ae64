"""How far the rounds of a benchmark differ, in rates and in ratios."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Half the range of the rounds, as a share of the median, from which it is called wide.
WIDE = 0.15


@dataclass(frozen=True)
class Ratio:
    """A ratio of two competitors' medians, with its interval over the rounds.

    `low` and `high` are the smallest and the largest ratio of a round, in which both
    had their turn one soon after the other. Of five rounds they hold the median of
    all such ratios in 15 of 16 cases.
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
    """Return half the range of a competitor's rounds, as a share of its median."""
    rates = rounds_of(figures)
    return (max(rates) - min(rates)) / (2 * figures["median"])


def ratio_of(ours: Mapping, theirs: Mapping) -> Ratio:
    """Return the ratio of two competitors of the same rounds."""
    value = ours["median"] / theirs["median"]
    pairs = zip(rounds_of(ours), rounds_of(theirs), strict=True)
    rounds = [one / other for one, other in pairs]
    return Ratio(value, min([value, *rounds]), max([value, *rounds]))


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
