"""What the page of one net shows, as the template takes it."""

import dataclasses
import re

import numpy as np

from fmkeras.analysis.explain import feature_maps, first_filters, grad_cam, saliency
from fmkeras.datasets import Dataset
from fmkeras.evaluation.metrics import most_confused
from fmkeras.report.plots.charts import classes_figure, inline_svg, reliability_figure
from fmkeras.report.plots.figures import history_figure
from fmkeras.report.site.entries import ReportEntry, count_trainable
from fmkeras.report.site.images import (
    TILES_ACROSS,
    filter_pictures,
    heat_picture,
    map_pictures,
    picture_data,
)
from fmkeras.report.tables.markdown import percent

WORST = 24
EXPLAINED = 8
# Of the images on the diagonal a gallery shows those the net was least sure of.
SHOWN_RIGHT = 40


def net_context(entry: ReportEntry, dataset: Dataset, image: int) -> dict:
    """Return everything the page of a net shows.

    `image` is the number of the test image whose feature maps are shown.
    """
    evaluation = entry.evaluation
    return {
        "entry": entry,
        "card": entry.card,
        "evaluation": evaluation,
        "title": entry.name,
        "facts": _facts(entry),
        "recipe": entry.card.get("recipe", {}),
        "curves": _curves(entry),
        "classes": _classes(evaluation),
        "confusion": _confusion(evaluation),
        "pairs": most_confused(evaluation.confusion, evaluation.class_names),
        "gallery": gallery(evaluation, dataset.y_test),
        "worst": worst_errors(evaluation, dataset.x_test),
        "worst_all": int(evaluation.count - np.trace(evaluation.confusion)),
        "reliability": inline_svg(
            reliability_figure(evaluation.calibration),
            "Reliability diagram: accuracy against confidence in 15 bins; expected "
            f"calibration error {evaluation.calibration.error:.4f}",
        ),
        "filters": _filters(entry),
        "maps": _maps(entry, dataset, image),
        "explained": _explained(entry, dataset),
    }


def worst_errors(evaluation, images: np.ndarray, count: int = WORST) -> list[dict]:
    """Return the most confident errors, each with its picture and likeliest classes."""
    found, names = [], evaluation.class_names
    for error in evaluation.confident_errors(count):
        shares = evaluation.probabilities[error["image"]]
        likeliest = np.argsort(-shares, kind="stable")[:3]
        found.append(
            error
            | {
                "picture": picture_data(images[error["image"]]),
                "likeliest": [(names[i], float(shares[i])) for i in likeliest],
            }
        )
    return found


def gallery(evaluation, labels: np.ndarray) -> dict:
    """Return which pictures each cell of the confusion matrix opens.

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
    names = evaluation.class_names
    return {"classes": names, "across": TILES_ACROSS, "cells": cells}


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
        ("Trained on", told and f"{told['name']}, {told['train']:,} images"),
        ("Backend", backend and f"{backend} {versions.get(backend, '')}"),
        ("Device", card.get("device")),
        ("Seed", card.get("seed")),
        (
            "Weights kept",
            card.get("kept_epoch")
            and f"of epoch {card['kept_epoch']} of {card['epochs']}",
        ),
        ("Code", (card.get("commit") or "")[:12]),
        ("SHA-256", card.get("sha256")),
    ):
        if value not in (None, ""):
            facts.append((name, str(value)))
    return facts


def _curves(entry: ReportEntry) -> dict[str, str]:
    curves = {"history": "", "classes": ""}
    if entry.history:
        last = entry.history[-1]
        figures = ", ".join(
            f"{name.replace('val_', 'validation ')} {float(last[name]):.4f}"
            for name in ("loss", "accuracy", "val_loss", "val_accuracy")
            if name in last
        )
        curves["history"] = inline_svg(
            history_figure(entry.history),
            f"Loss and accuracy over {len(entry.history)} epochs, last: {figures}",
        )
    if entry.per_class:
        curves["classes"] = inline_svg(
            classes_figure(entry.per_class),
            "Precision, recall and F1 of each class over the epochs",
        )
    return curves


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


def _filters(entry: ReportEntry) -> dict | None:
    found = first_filters(entry.model)
    if found is None:
        return None
    layer, filters = found
    return {
        "layer": layer,
        "count": len(filters),
        "size": " x ".join(map(str, filters.shape[1:])),
        "pictures": filter_pictures(filters),
    }


def _maps(entry: ReportEntry, dataset: Dataset, image: int) -> dict | None:
    found = feature_maps(entry.model, dataset.x_test[image])
    if found is None:
        return None
    layer, maps = found
    return {
        "layer": layer,
        "count": len(maps),
        "size": " x ".join(map(str, maps.shape[1:])),
        "image": image,
        "label": dataset.class_names[dataset.y_test[image]],
        "picture": picture_data(dataset.x_test[image]),
        "pictures": map_pictures(maps),
    }


def _explained(entry: ReportEntry, dataset: Dataset) -> dict | None:
    errors = entry.evaluation.confident_errors(EXPLAINED)
    if not errors:
        return None
    numbers = np.array([error["image"] for error in errors])
    images, truth = dataset.x_test[numbers], dataset.y_test[numbers]
    guesses = entry.evaluation.predictions[numbers]
    # Without feature maps, as in a net of dense layers, the pixels' gradients serve.
    cams = grad_cam(entry.model, images, guesses)
    explain = saliency if cams is None else grad_cam
    guessed = saliency(entry.model, images, guesses) if cams is None else cams
    true = explain(entry.model, images, truth)
    return {
        "kind": "saliency" if cams is None else "Grad-CAM",
        "errors": [
            error
            | {
                "picture": picture_data(images[n]),
                "guessed": heat_picture(guessed[n]),
                "wanted": heat_picture(true[n]),
            }
            for n, error in enumerate(errors)
        ],
    }


def page_name(name: str) -> str:
    """Return the file name of a net's page."""
    return f"net-{re.sub(r'[^A-Za-z0-9_.-]', '-', name)}.html"
