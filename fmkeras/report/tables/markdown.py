"""Tables in Markdown, and figures as their cells show them."""

from collections.abc import Sequence


def markdown_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], alignment: str
) -> str:
    """Return a table; `alignment` has an 'l' or an 'r' for each column."""
    rules = ["---:" if side == "r" else "---" for side in alignment]
    lines = [heads, rules, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(value: float | None) -> str:
    """Return a share, 0 to 1, as a percentage; nothing for None."""
    return "" if value is None else f"{100 * value:.2f} %"


def mean_and_spread(row: dict) -> str:
    """Return the mean, and the spread if any, of a row of `summarise`."""
    spread = "" if row["spread"] is None else f" ± {100 * row['spread']:.2f}"
    return f"{100 * row['mean']:.2f}{spread} %"
