"""The best trials of a search, in the terminal when it ends."""

from collections.abc import Sequence

from fmkeras.text.values import value_text
from tuner.settings import Settings
from tuner.trials import files as trial_files

SHOWN = 10


def ranking_text(rows: Sequence[dict], settings: Settings) -> str:
    """Return a table of the finished trials, the best first; empty without any.

    At most `SHOWN` of them: trials.csv has all.
    """
    finished = [row for row in rows if row["state"] == trial_files.FINISHED]
    if not finished:
        return ""
    sign = 1 if settings.objective == "val_loss" else -1
    # The first of equals, as in best.json.
    ranked = sorted(finished, key=lambda row: sign * row[settings.objective])
    names = [choice.name for choice in settings.space.hyperparameters]
    heads = ["rank", "trial", settings.objective, "epoch", *names]
    table = [heads]
    for rank, row in enumerate(ranked[:SHOWN], 1):
        values = (value_text(row["values"].get(name)) for name in names)
        objective = f"{row[settings.objective]:.4f}"
        table.append(
            [str(rank), row["trial"], objective, str(row["kept_epoch"]), *values]
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True))
        for row in table
    ]
    more = len(finished) - SHOWN
    if more > 0:
        lines.append(f"and {more} more, in trials.csv")
    return "\n".join(["", "The best trials:", *lines, ""])
