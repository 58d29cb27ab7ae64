"""A published protocol run again: the source's figures and ours, side by side."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.experiments.repeat import repeat
from fmkeras.labels import CLASS_NAMES
from fmkeras.models import model_info
from fmkeras.recipes import find_recipe
from fmkeras.records import RECORDS, read_records

STUDY = "published"
# Fewer epochs than published are a study of their own: no figure of a short run
# stands among those of whole ones.
SHORT_STUDY = "published-short"
FIGURES = ("precision", "recall", "f1")
# Per class precision, recall and F1, in the order of CLASS_NAMES, where a source
# gives them; on about 400 images a class.
PUBLISHED_PER_CLASS = {
    "fashionnet": (
        (0.87, 0.87, 0.87),
        (0.99, 0.97, 0.98),
        (0.86, 0.87, 0.87),
        (0.91, 0.92, 0.91),
        (0.84, 0.88, 0.86),
        (0.98, 0.96, 0.97),
        (0.76, 0.70, 0.73),
        (0.92, 0.94, 0.93),
        (0.98, 0.98, 0.98),
        (0.94, 0.93, 0.94),
    ),
}


def reproduce(
    model: str,
    backend: str,
    seeds: Sequence[int],
    epochs: int | None = None,
    arguments: Sequence[str] = (),
    records: Path = RECORDS,
    runs: Path = Path("runs"),
) -> list[dict]:
    """Train `model` by its source's recipe and protocol, once a seed.

    Each run is `fmkeras train --recipe published`, with `arguments`, in a process of
    its own; its record is kept in `records/published`, and a run whose record is
    there is not repeated. `epochs`, if fewer than published, makes short runs, kept
    apart. Returns the records. Raises `UserError` for an unknown model, more epochs
    than published, or a run that fails.
    """
    published = find_recipe("published", model).epochs
    flags = ["--recipe", "published", *arguments]
    study = STUDY
    if epochs is not None and epochs != published:
        if not 1 <= epochs < published:
            raise UserError(
                f"The published recipe of {model} has {published} epochs; expected as "
                f"many, or fewer for a short run. Received: {epochs}"
            )
        study = SHORT_STUDY
        flags += ["--epochs", str(epochs)]
    return repeat(study, model, [backend], seeds, flags, records, runs)


def comparison_text(model: str, records: Sequence[dict]) -> str:
    """Return the published figures of a network and those of `records`, as text."""
    info = model_info(model)
    recipe = records[0]["recipe"]
    published_epochs = find_recipe("published", model).epochs
    accuracies = [100 * record["test"]["accuracy"] for record in records]
    figure = info.published_accuracy
    note = f" ({info.published_note})" if info.published_note else ""
    seeds = ", ".join(str(record["seed"]) for record in records)
    lines = [
        f"{model}, recipe {info.recipe}, from {info.source}",
        "published  "
        + ("no figure" if figure is None else f"{100 * figure:.2f} %")
        + note,
        f"ours       {_mean_and_spread(accuracies)} (seeds {seeds})",
    ]
    if recipe["epochs"] != published_epochs:
        lines.append(f"SHORT RUN: {recipe['epochs']} of {published_epochs} epochs")
    if model in PUBLISHED_PER_CLASS:
        lines += ["", *_per_class_lines(model, records)]
    return "\n".join(lines)


def study_records(model: str, records: Path = RECORDS) -> list[dict]:
    """Return the records of a network's published protocol, short runs if no others."""
    for study in (STUDY, SHORT_STUDY):
        found = [r for r in read_records(study, records) if r["model"] == model]
        if found:
            return found
    return []


def per_class_rows(model: str, records: Sequence[dict]) -> list[tuple]:
    """Return (class, published figures, mean of ours) for each class; figures 0 to 1.

    Both are precision, recall and F1.
    """
    return [
        (
            name,
            published,
            tuple(
                statistics.mean(r["test"]["per_class"][name][f] for r in records)
                for f in FIGURES
            ),
        )
        for name, published in zip(CLASS_NAMES, PUBLISHED_PER_CLASS[model], strict=True)
    ]


def _per_class_lines(model: str, records: Sequence[dict]) -> list[str]:
    heads = " ".join(f"{figure:>9}" for figure in (*FIGURES, *FIGURES))
    lines = [f"{'':12}{'published':>29} {'ours':>29}", f"{'':12}{heads}"]
    for name, published, ours in per_class_rows(model, records):
        figures = " ".join(f"{value:9.2f}" for value in (*published, *ours))
        lines.append(f"{name:12}{figures}")
    return lines


def _mean_and_spread(values: Sequence[float]) -> str:
    spread = f" +- {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{spread} %"
