"""The page of one model drawn: figures as SVG, arrays as small images."""

import numpy as np

from fmkeras.evaluation.metrics import most_confused
from fmkeras.report.plots.charts import classes_figure, inline_svg, reliability_figure
from fmkeras.report.plots.figures import history_figure
from fmkeras.report.site.entries import ReportEntry
from fmkeras.report.site.images import (
    TILES_ACROSS,
    filter_pictures,
    heat_picture,
    map_pictures,
    picture_data,
)
from fmkeras.report.site.page_info import Explained, PageInfo


def draw_page(info: PageInfo) -> dict:
    """Return what the template of a model's page takes."""
    entry = info.entry
    evaluation = entry.evaluation
    return {
        "entry": entry,
        "card": entry.card,
        "evaluation": evaluation,
        "title": entry.name,
        "facts": info.facts,
        "recipe": entry.card.get("recipe", {}),
        "curves": _curves(entry),
        "classes": info.classes,
        "confusion": info.confusion,
        "pairs": most_confused(evaluation.confusion, evaluation.class_names),
        "gallery": info.gallery | {"across": TILES_ACROSS},
        "worst": [
            error | {"picture": picture_data(error["pixels"])} for error in info.worst
        ],
        "worst_all": int(evaluation.count - np.trace(evaluation.confusion)),
        "reliability": inline_svg(
            reliability_figure(evaluation.calibration),
            "Reliability diagram: accuracy against confidence in 15 bins; expected "
            f"calibration error {evaluation.calibration.error:.4f}",
        ),
        "filters": _filters(info),
        "maps": _maps(info),
        "explained": info.explained and _explained(info.explained),
    }


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


def _filters(info: PageInfo) -> dict | None:
    return info.filters and _sheet(*info.filters, filter_pictures)


def _maps(info: PageInfo) -> dict | None:
    return info.maps and _sheet(*info.maps, map_pictures) | {
        "image": info.image,
        "label": info.label,
        "picture": picture_data(info.pixels),
    }


def _sheet(layer: str, arrays: np.ndarray, draw) -> dict:
    return {
        "layer": layer,
        "count": len(arrays),
        "size": " x ".join(map(str, arrays.shape[1:])),
        "pictures": draw(arrays),
    }


def _explained(explained: Explained) -> dict:
    return {
        "kind": explained.method,
        "errors": [
            error
            | {
                "picture": picture_data(error["pixels"]),
                "guessed": heat_picture(error["guessed"]),
                "wanted": heat_picture(error["true_heat"]),
            }
            for error in explained.errors
        ],
    }
