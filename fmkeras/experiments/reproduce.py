"""Run a published protocol again and compare the source's figures with ours."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmkeras.errors import UserError, unknown
from fmkeras.experiments.published_figures import FIGURES, PublishedFigure
from fmkeras.experiments.repeat import repeat
from fmkeras.experiments.summary import largest_kind
from fmkeras.labels import CLASS_NAMES
from fmkeras.models import model_info
from fmkeras.recipes import (
    HOW,
    PUBLISHED,
    Recipe,
    find_recipe,
    learns_alike,
    precision_alike,
)
from fmkeras.records import RECORDS, read_records

STUDY = "published"
# Runs of fewer epochs than published are a study of their own, apart from full runs.
SHORT_STUDY = "published-short"
CLASS_FIGURES = ("precision", "recall", "f1")
# Per class precision, recall and F1, in the order of CLASS_NAMES, where a source
# gives them; on about 400 images a class. The keys are network and recipe: FashionNet's
# run was one on 64 x 64, frozen after its first epoch.
PUBLISHED_PER_CLASS = {
    ("fashionnet_64", "fashionnet-frozen"): (
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
    recipe: str = "published",
    how: Mapping[str, str] | None = None,
) -> list[dict]:
    """Train `model` by its source's recipe and protocol, once a seed.

    Each run is `fmkeras train --recipe published`, with `arguments`, in a process of
    its own; its record is kept in `records/published`, and a run whose record is
    there is not repeated. `recipe` takes another of `PUBLISHED`, such as one with a
    source's fault, into a study of its own; `epochs`, if fewer than published, makes
    short runs, kept apart. `how` holds the precision and the compilation that
    `arguments` ask for. Returns the records. Raises `UserError` for an unknown model
    or recipe, more epochs than published, a record of another recipe, or a run that
    fails.
    """
    model = model_info(model).name
    published = _published_recipe(model, recipe)
    flags = ["--recipe", published.name, *arguments]
    short = epochs is not None and epochs != published.epochs
    if short:
        if not 1 <= epochs < published.epochs:
            raise UserError(
                f"The published recipe of {model} has {published.epochs} epochs; "
                f"expected as many, or fewer for a short run. Received: {epochs}"
            )
        flags += ["--epochs", str(epochs)]
    study = study_name(model, published.name, short)
    wanted = published.replace(epochs=epochs) if short else published
    wanted = wanted.replace(**(how or {}))

    def is_asked(told: dict) -> bool:
        return precision_alike(wanted.precision if how else None, told)

    return repeat(
        study, model, [backend], seeds, flags, records, runs, wanted, is_asked
    )


def study_name(model: str, recipe: str, short: bool = False) -> str:
    """Return the folder of a protocol's records."""
    study = SHORT_STUDY if short else STUDY
    own = recipe == model_info(model).recipe
    return study if own else f"{study}-{recipe}"


def study_records(
    model: str, records: Path = RECORDS, recipe: str = "published"
) -> list[dict]:
    """Return the records of a network's protocol, short runs if there are no others.

    Only those of the recipe as it is today: its epochs aside, in a short run. Of
    several backends or precisions those of most runs: figures of one mean are alike.
    """
    published = _published_recipe(model, recipe)
    for short in (False, True):
        study = study_name(model, published.name, short)
        found = [
            record
            for record in read_records(study, records)
            if record["model"] == model and is_current(record, published, short)
        ]
        if found:
            return largest_kind(found)
    return []


def is_current(record: dict, recipe: Recipe, short: bool = False) -> bool:
    """Tell whether a record is of this recipe and network as they are today."""
    free = (*HOW, "epochs") if short else HOW
    parameters = model_info(record["model"]).parameters
    return record.get("parameters") == parameters and learns_alike(
        record["recipe"], recipe, free
    )


def comparison_text(model: str, records: Sequence[dict]) -> str:
    """Return every published figure of a network beside that of `records`, as text."""
    info = model_info(model)
    recipe = records[0]["recipe"]
    name = recipe["name"].removesuffix("+")
    published = PUBLISHED.get(name) or find_recipe("published", model)
    seeds = ", ".join(str(record["seed"]) for record in records)
    lines = [f"{model}, recipe {published.name}, from {info.source} (seeds {seeds})"]
    if info.published_note:
        lines.append(f"published: {info.published_note}")
    if recipe["epochs"] != published.epochs:
        lines.append(f"SHORT RUN: {recipe['epochs']} of {published.epochs} epochs")
    lines.append(f"{'':34} {'published':>12} {'ours':>20}")
    figures = figures_of(model, published.name)
    if not any(f.quantity == "test accuracy" for f in figures):
        accuracies = [record["test"]["accuracy"] for record in records]
        lines.append(_line("test accuracy", "none", Ours(accuracies).percent()))
    for figure in figures:
        ours = our_figure(figure, records)
        after = f", epoch {figure.epoch}" if figure.epoch else ""
        text = "none" if ours is None else f"{ours.to_text(figure)}, {ours.verdict}"
        lines.append(_line(figure.quantity + after, figure.to_text(figure.value), text))
    notes = dict.fromkeys(figure.note for figure in figures if figure.note)
    lines += [f"note: {note}" for note in notes]
    classes = PUBLISHED_PER_CLASS.get((model, published.name))
    if classes is not None:
        lines += ["", *_per_class_lines(classes, records)]
    return "\n".join(lines)


def figures_of(model: str, recipe: str) -> list[PublishedFigure]:
    """Return the published figures of a network that a recipe led to."""
    return [f for f in FIGURES if (f.model, f.recipe_name) == (model, recipe)]


@dataclass(frozen=True)
class Ours:
    """Our figure beside a published one: a value a seed, and what follows from them.

    verdict: 'equal' where the published value lies within two standard deviations of
    our mean, or where our mean rounds to it; else 'above' or 'below'. One run has no
    spread: it is said to be one.
    """

    values: Sequence[float]
    verdict: str = ""

    @property
    def mean(self) -> float:
        return statistics.mean(self.values)

    @property
    def spread(self) -> float | None:
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def percent(self) -> str:
        spread = "" if self.spread is None else f" ± {100 * self.spread:.2f}"
        return f"{100 * self.mean:.2f}{spread} %"

    def to_text(self, figure: PublishedFigure) -> str:
        if figure.is_accuracy:
            return self.percent()
        spread = "" if self.spread is None else f" ± {self.spread:.3f}"
        return f"{self.mean:.3f}{spread}"


def our_figure(figure: PublishedFigure, records: Sequence[dict]) -> Ours | None:
    """Return ours of the same kind from `records`; None where they have it not."""
    values = [figure.of(record) for record in records]
    if not values or None in values:
        return None
    ours = Ours(values)
    allowed = figure.unit / 2 + 2 * (ours.spread or 0.0)
    difference = ours.mean - figure.value
    verdict = "equal"
    if abs(difference) > allowed:
        verdict = "above" if difference > 0 else "below"
    if len(values) == 1:
        verdict += ", one run"
    return Ours(values, verdict)


def _published_recipe(model: str, recipe: str) -> Recipe:
    if recipe != "published" and recipe not in PUBLISHED:
        raise unknown("published recipe", recipe, PUBLISHED)
    return find_recipe(recipe, model)


def _line(quantity: str, published: str, ours: str) -> str:
    return f"{quantity:34} {published:>12} {ours:>20}"


def per_class_rows(classes: Sequence[tuple], records: Sequence[dict]) -> list[tuple]:
    """Return (class, published figures, mean of ours) for each class; figures 0 to 1.

    Both are precision, recall and F1; `classes` is a value of `PUBLISHED_PER_CLASS`.
    """
    return [
        (
            name,
            published,
            tuple(
                statistics.mean(r["test"]["per_class"][name][f] for r in records)
                for f in CLASS_FIGURES
            ),
        )
        for name, published in zip(CLASS_NAMES, classes, strict=True)
    ]


def _per_class_lines(classes: Sequence[tuple], records: Sequence[dict]) -> list[str]:
    heads = " ".join(f"{figure:>9}" for figure in (*CLASS_FIGURES, *CLASS_FIGURES))
    lines = [f"{'':12}{'published':>29} {'ours':>29}", f"{'':12}{heads}"]
    for name, published, ours in per_class_rows(classes, records):
        figures = " ".join(f"{value:9.2f}" for value in (*published, *ours))
        lines.append(f"{name:12}{figures}")
    return lines
