"""The published results and ours, as tables of the README."""

from pathlib import Path

from fmkeras.experiments.reproduce import per_class_rows, study_records
from fmkeras.models import list_models, model_info
from fmkeras.recipes import find_recipe
from fmkeras.records import RECORDS, summarise
from fmkeras.report.tables.markdown import markdown_table, mean_and_spread, percent


def published_table(root: Path, argument: str = "") -> str:
    """Every published result and ours by the same protocol; empty where not run."""
    rows = []
    for name in list_models():
        info = model_info(name)
        figure = percent(info.published_accuracy)
        if info.published_note:
            figure = f"{figure} ({info.published_note})".strip()
        ours = summarise(study_records(name, root / RECORDS))
        for row in ours or [None]:
            rows.append((f"`{name}`", info.recipe, figure, *_ours(name, row)))
    heads = (
        "network",
        "recipe",
        "published",
        "ours",
        "seeds",
        "backend, device",
        "commit",
    )
    return markdown_table(heads, rows, "lllrrll")


def published_classes_table(root: Path, argument: str) -> str:
    """A network's published figures for each class, and the means of ours."""
    records = study_records(argument, root / RECORDS)
    if not records:
        return f"Not run yet: `make reproduce MODEL={argument}`."
    rows = [
        (name, *(f"{value:.2f}" for value in (*published, *ours)))
        for name, published, ours in per_class_rows(argument, records)
    ]
    figures = ("precision", "recall", "F1")
    heads = ("class", *(f"{f}, published" for f in figures), *figures)
    return markdown_table(heads, rows, "lrrrrrr")


def _ours(name: str, row: dict | None) -> tuple[str, ...]:
    if row is None:
        return ("", "", "", "")
    figure = mean_and_spread(row)
    published = find_recipe("published", name).epochs
    wanted = model_info(name).published_accuracy
    if row["epochs"] != published:
        figure += f" (short: {row['epochs']} of {published} epochs)"
    elif wanted is not None and row["mean"] < wanted:
        figure += " (below)"
    return (
        figure,
        str(len(row["seeds"])),
        f"{row['backend']}, {row['device']}",
        ", ".join(row["commits"]),
    )
