"""What the page of one model tells, computed before anything is drawn."""

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import shorten

import numpy as np

from fmkeras.analysis.explain import feature_maps, first_filters, grad_cam, saliency
from fmkeras.datasets import Dataset
from fmkeras.errors import UserError
from fmkeras.report.site.entries import ReportEntry, count_trainable
from fmkeras.report.tables.markdown import percent

WORST = 24
EXPLAINED = 8
# Of the images on the diagonal a gallery shows those the model was least sure of.
SHOWN_RIGHT = 40


@dataclass(frozen=True, eq=False)
class PageInfo:
    """Figures and arrays of one model's page; images are uint8 (h, w).

    Attributes:
        entry: the model, its card and its evaluation.
        facts: (name, value) pairs in words.
        classes: a row a class: name, precision, recall, f1, support.
        confusion: a cell for each pair of classes: count, share, shade (percent).
        gallery: which test images each cell opens; see `gallery`.
        worst: the most confident errors, each with its `pixels` and the three
            `likeliest` classes.
        filters: the first convolution's (layer, float (n, h, w)), or None.
        maps: its feature maps of test image `image`, in the same form, or None.
        image, label, pixels: that image's number, class and pixels.
        explained: what the model looked at in its worst errors, or None.
    """

    entry: ReportEntry
    facts: list[tuple[str, str]]
    classes: list[dict]
    confusion: list[list[dict]]
    gallery: dict
    worst: list[dict]
    filters: tuple[str, np.ndarray] | None
    maps: tuple[str, np.ndarray] | None
    image: int
    label: str
    pixels: np.ndarray
    explained: "Explained | None"


@dataclass(frozen=True, eq=False)
class Explained:
    """Heat maps, float (h, w) from 0 to 1, of errors.

    `method` is Grad-CAM, or saliency for a model without feature maps. Each error has
    its `pixels`, the heat map of the class it `guessed` and of the `true` one.
    """

    method: str
    errors: list[dict]


def check_image(image: int, dataset: Dataset) -> None:
    """Raise `UserError` where there is no test image of that number."""
    count = len(dataset.y_test)
    if not 0 <= image < count:
        raise UserError(
            f"There is no such test image; expected a number from 0 to {count - 1}. "
            f"Received: {image}"
        )


def collect_page_info(entry: ReportEntry, dataset: Dataset, image: int) -> PageInfo:
    """Return what the page of a model tells.

    `image` is the number of the test image whose feature maps are shown.
    """
    evaluation = entry.evaluation
    return PageInfo(
        entry=entry,
        facts=_facts(entry),
        classes=_classes(evaluation),
        confusion=_confusion(evaluation),
        gallery=gallery(evaluation, dataset.y_test),
        worst=worst_errors(evaluation, dataset.x_test),
        filters=_or_none(entry, "filters", lambda: first_filters(entry.model)),
        maps=_or_none(
            entry, "maps", lambda: feature_maps(entry.model, dataset.x_test[image])
        ),
        image=image,
        label=dataset.class_names[dataset.y_test[image]],
        pixels=dataset.x_test[image],
        explained=_or_none(entry, "heat maps", lambda: _explain_errors(entry, dataset)),
    )


def _or_none(entry: ReportEntry, part: str, look: Callable):
    """Return what a look inside a model finds; None where its layers forbid one.

    A model of any layers may be reported on: what cannot be drawn of it is left out.
    """
    try:
        return look()
    except UserError:
        raise
    except Exception as error:
        reason = shorten(f"{type(error).__name__}: {error}", 160)
        print(f"No {part} on the page of {entry.name}: {reason}", file=sys.stderr)
        return None


def worst_errors(evaluation, images: np.ndarray, count: int = WORST) -> list[dict]:
    """Return the most confident errors, each with its pixels and likeliest classes."""
    found, names = [], evaluation.class_names
    for error in evaluation.confident_errors(count):
        shares = evaluation.probabilities[error["image"]]
        likeliest = np.argsort(-shares, kind="stable")[:3]
        found.append(
            error
            | {
                "pixels": images[error["image"]],
                "likeliest": [(names[i], float(shares[i])) for i in likeliest],
            }
        )
    return found


def gallery(evaluation, labels: np.ndarray) -> dict:
    """Return which images each cell of the confusion matrix opens.

    `cells["3-6"]` lists images of class 3 taken for class 6, the most confident
    first, as [number on the class's sheet, number of the test image, confidence in
    hundredths of a percent]; on the diagonal the least sure come first, and not all.
    """
    count = len(evaluation.class_names)
    place = np.zeros(len(labels), np.int64)
    for label in range(count):
        members = np.flatnonzero(labels == label)
        place[members] = np.arange(len(members))
    predictions, confidence = evaluation.predictions, evaluation.probabilities.max(1)
    cells = {}
    for true in range(count):
        for predicted in range(count):
            inside = np.flatnonzero((labels == true) & (predictions == predicted))
            sign = 1 if true == predicted else -1
            order = inside[np.argsort(sign * confidence[inside], kind="stable")]
            if true == predicted:
                order = order[:SHOWN_RIGHT]
            if len(order):
                cells[f"{true}-{predicted}"] = [
                    [int(place[i]), int(i), round(1e4 * float(confidence[i]))]
                    for i in order
                ]
    return {"classes": evaluation.class_names, "cells": cells}


def _facts(entry: ReportEntry) -> list[tuple[str, str]]:
    card, evaluation = entry.card, entry.evaluation
    low, high = evaluation.interval
    temperature = entry.temperature
    facts = [
        ("Test accuracy", percent(evaluation.accuracy)),
        ("95 % interval (Wilson)", f"{percent(low)} to {percent(high)}"),
        ("Test loss", f"{evaluation.loss:.4f}"),
        ("Expected calibration error", f"{evaluation.calibration.error:.4f}"),
    ]
    if temperature is not None:
        facts.append(
            (
                f"Temperature, of {temperature.fitted_on:,} validation images",
                f"{temperature.value:.3f}: error {temperature.error:.4f}, "
                f"loss {temperature.loss:.4f}",
            )
        )
    facts.append(("Parameters", f"{count_trainable(entry.model):,}"))
    facts.append(("Size", f"{entry.bytes / 1e6:,.2f} MB"))
    told = card.get("dataset", {})
    versions = card.get("versions", {})
    backend = card.get("backend", "")
    for name, value in (
        ("Trained on", _trained_on(told)),
        ("Backend", backend and f"{backend} {versions.get(backend, '')}"),
        ("Device", card.get("device")),
        ("Seed", card.get("seed")),
        (
            "Weights kept",
            card.get("kept_epoch")
            and f"of epoch {card['kept_epoch']} of {card.get('epochs', 'some')}",
        ),
        ("Code", (card.get("commit") or "")[:12]),
        ("SHA-256", card.get("sha256")),
    ):
        if value not in (None, ""):
            facts.append((name, str(value)))
    return facts


def _trained_on(dataset: dict) -> str:
    name, count = dataset.get("name", ""), dataset.get("train")
    return f"{name}, {count:,} images" if name and count else name


def _classes(evaluation) -> list[dict]:
    figures = dataclasses.asdict(evaluation.per_class)
    return [
        {"name": name, **{key: values[i] for key, values in figures.items()}}
        for i, name in enumerate(evaluation.class_names)
    ]


def _confusion(evaluation) -> list[list[dict]]:
    totals = np.maximum(evaluation.confusion.sum(axis=1, keepdims=True), 1)
    shares = evaluation.confusion / totals
    return [
        [
            # The square root lets the few errors be seen beside the diagonal.
            {"count": int(count), "share": float(share), "shade": 85 * share**0.5}
            for count, share in zip(counts, row, strict=True)
        ]
        for counts, row in zip(evaluation.confusion, shares, strict=True)
    ]


def _explain_errors(entry: ReportEntry, dataset: Dataset) -> Explained | None:
    errors = entry.evaluation.confident_errors(EXPLAINED)
    if not errors:
        return None
    indices = np.array([error["image"] for error in errors])
    images, truth = dataset.x_test[indices], dataset.y_test[indices]
    guesses = entry.evaluation.predictions[indices]
    # Without feature maps, as in a model of dense layers, the pixels' gradients serve.
    cams = grad_cam(entry.model, images, guesses)
    explain = saliency if cams is None else grad_cam
    guessed = saliency(entry.model, images, guesses) if cams is None else cams
    true = explain(entry.model, images, truth)
    heats = zip(images, guessed, true, strict=True)
    return Explained(
        "saliency" if cams is None else "Grad-CAM",
        [
            error | {"pixels": pixels, "guessed": guess, "true_heat": other}
            for error, (pixels, guess, other) in zip(errors, heats, strict=True)
        ],
    )
