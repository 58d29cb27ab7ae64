"""The published figures and ours beside them, as tables of docs/results.md."""

from pathlib import Path

import numpy as np

from fmkeras.evaluation.metrics import taken_for_shirts
from fmkeras.experiments.published_figures import (
    FIGURES,
    TINYVGG_3_EPOCHS,
    TINYVGG_3_SHIRTS,
    PublishedFigure,
)
from fmkeras.experiments.reproduce import (
    PUBLISHED_PER_CLASS,
    figures_of,
    our_figure,
    per_class_rows,
    study_records,
)
from fmkeras.experiments.summary import summarise
from fmkeras.models import list_models, model_info
from fmkeras.recipes import FAULTS, find_recipe
from fmkeras.records import RECORDS
from fmkeras.report.tables.markdown import markdown_table, mean_and_spread, percent

PENDING = "not run"


def published_table(root: Path, argument: str = "") -> str:
    """Every published figure and ours of the same kind, by the same protocol."""
    pairs = [(f.model, f.recipe_name) for f in FIGURES if f.recipe_name not in FAULTS]
    # Networks without any published figure have a row too.
    pairs += [(name, model_info(name).recipe) for name in list_models()]
    order = list_models(variants=True)
    pairs = sorted(dict.fromkeys(pairs), key=lambda pair: order.index(pair[0]))
    return _table(root, pairs)


def faults_table(root: Path, argument: str = "") -> str:
    """The same where the source's fault that decided the figure is kept."""
    pairs = [(f.model, f.recipe_name) for f in FIGURES if f.recipe_name in FAULTS]
    return _table(root, list(dict.fromkeys(pairs)))


def published_epochs_table(root: Path, argument: str) -> str:
    """Test accuracy and loss after each epoch, the study's and ours."""
    records = study_records(argument, root / RECORDS)
    rows = []
    for epoch, (accuracy, loss) in enumerate(TINYVGG_3_EPOCHS, start=1):
        cells = [str(epoch)]
        for quantity, value, decimals in (
            ("test accuracy", accuracy, 2),
            ("test loss", loss, 3),
        ):
            figure = PublishedFigure(argument, quantity, value, decimals, epoch=epoch)
            ours = our_figure(figure, records)
            cells.append(figure.to_text(value))
            cells.append(PENDING if ours is None else ours.to_text(figure))
        rows.append(cells)
    heads = ("epoch", "accuracy, published", "ours", "loss, published", "ours")
    return markdown_table(heads, rows, "rrrrr")


def published_shirts_table(root: Path, argument: str) -> str:
    """Errors that are tops taken for shirts: those of the study's run and of ours."""
    accuracy, shirts, errors = TINYVGG_3_SHIRTS
    rows = [_shirts_row("published", accuracy, shirts, errors)]
    for record in study_records(argument, root / RECORDS):
        test = record["test"]
        counts = taken_for_shirts(np.asarray(test["confusion_matrix"]))
        rows.append(_shirts_row(f"seed {record['seed']}", test["accuracy"], *counts))
    heads = ("run", "test accuracy", "errors", "taken for shirts", "share of errors")
    return markdown_table(heads, rows, "lrrrr")


def _shirts_row(run: str, accuracy: float, shirts: int, errors: int) -> tuple:
    share = f"{100 * shirts / errors:.0f} %" if errors else ""
    return (run, percent(accuracy), f"{errors:,}", f"{shirts:,}", share)


def published_classes_table(root: Path, argument: str) -> str:
    """A run's published figures for each class, and the means of ours.

    The argument is network and recipe, as in fashionnet_64/fashionnet-frozen.
    """
    model, _, recipe = argument.partition("/")
    records = study_records(model, root / RECORDS, recipe)
    if not records:
        return f"Not run yet: `make reproduce MODEL={model} RECIPE={recipe}`."
    rows = [
        (name, *(f"{value:.2f}" for value in (*published, *ours)))
        for name, published, ours in per_class_rows(
            PUBLISHED_PER_CLASS[model, recipe], records
        )
    ]
    figures = ("precision", "recall", "F1")
    heads = ("class", *(f"{f}, published" for f in figures), *figures)
    return markdown_table(heads, rows, "lrrrrrr")


def _table(root: Path, pairs: list[tuple[str, str]]) -> str:
    rows = []
    for name, recipe in pairs:
        records = study_records(name, root / RECORDS, recipe)
        where = _where(recipe, name, records)
        for figure in figures_of(name, recipe):
            after = f" after epoch {figure.epoch}" if figure.epoch else ""
            note = f" ({figure.note})" if figure.note else ""
            ours = our_figure(figure, records)
            rows.append(
                (
                    f"`{name}`",
                    recipe,
                    figure.quantity + after + note,
                    figure.to_text(figure.value),
                    *(
                        (PENDING, "")
                        if ours is None
                        else (ours.to_text(figure), ours.verdict)
                    ),
                    *where,
                )
            )
        if not figures_of(name, recipe):
            ours = [mean_and_spread(row) for row in summarise(records)] or [PENDING]
            rows.append(
                (f"`{name}`", recipe, "test accuracy", "none", ours[0], "", *where)
            )
    heads = (
        "network",
        "recipe",
        "figure",
        "published",
        "ours",
        "",
        "seeds",
        "backend, device",
        "commit",
    )
    return markdown_table(heads, rows, "lllrrlrll")


def _where(recipe: str, model: str, records: list[dict]) -> tuple[str, str, str]:
    if not records:
        return ("", "", "")
    row = summarise(records)[0]
    published, epochs = find_recipe(recipe, model).epochs, row["epochs"]
    short = "" if epochs == published else f", short: {epochs} of {published} epochs"
    return (
        str(len(row["seeds"])),
        f"{row['backend']}, {row['device']}{short}",
        ", ".join(row["commits"]),
    )
