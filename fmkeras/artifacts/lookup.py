"""Trained models by name: those in a folder, their cards and validation images."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from fmkeras.artifacts import keras_file
from fmkeras.artifacts.card import has_card
from fmkeras.artifacts.pixels import (
    RAW,
    SAMPLE,
    accuracy_by_range,
    range_warning,
    take_raw_pixels,
)
from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import Subset, split_dataset
from fmkeras.errors import UserError
from fmkeras.labels import CLASS_NAMES
from fmkeras.records import model_folders


def find_models(
    words: Iterable[str], folder: str | os.PathLike, data: str
) -> list[str]:
    """Return the models that words name: names, paths, or the one word `all`.

    `all` are those of `folder` that were trained on the data set named `data`, or
    have no card. Raises `UserError` where there is none.
    """
    words = list(dict.fromkeys(words))
    if words != ["all"]:
        if not words:
            raise UserError("No model is named; give names, paths, or all.")
        return words
    paths = model_files(folder)
    names = [path.stem for path in paths if _data_of(path, data) == data]
    if not names:
        raise UserError(
            f"There is no model of {data} in '{folder}'; expected a .keras file: train "
            f"one first. Received: {len(paths)} of other data"
        )
    return names


def model_files(folder: str | os.PathLike) -> list[Path]:
    """Return the `.keras` files of a folder; of the shipped ones, where it has none."""
    for place in model_folders(folder):
        if found := sorted(place.glob("[!.]*.keras")):
            return found
    return []


def best_model(folder: str | os.PathLike, data: str = "fashion-mnist") -> str:
    """Return the name of the saved model that is best on its validation images.

    Raises `UserError` where no model of the data set named `data` tells of any.
    """
    found = {}
    for path in model_files(folder):
        try:
            card = card_or_empty(path)
        except UserError:
            # It is named where it is asked for.
            continue
        accuracy = card.get("validation", {}).get("accuracy")
        if card.get("dataset", {}).get("name") == data and accuracy:
            found[path.stem] = accuracy
    if not found:
        raise UserError(
            f"There is no model of {data} in '{folder}'; expected one there, or the "
            "path of a .keras file: give --model (make: MODEL=...), or train one."
        )
    return max(found, key=found.get)


def card_or_empty(
    path_or_name: str | os.PathLike, folder: str | os.PathLike = keras_file.FOLDER
) -> dict:
    """Return a model's card, empty for a file that was made elsewhere."""
    path = keras_file.find_artifact(path_or_name, folder)
    return keras_file.read_card(path) if has_card(path) else {}


def class_names_of(card: dict, model) -> tuple[str, ...]:
    """Return the names of a model's classes, by its card.

    A file without a card has those of Fashion-MNIST where it has ten outputs, and
    numbers otherwise.
    """
    # A subclassed model does not tell how many it has.
    outputs = getattr(model, "outputs", None)
    count = outputs[0].shape[-1] if outputs else len(CLASS_NAMES)
    names = tuple(card.get("classes", ()))
    if len(names) == count:
        return names
    return CLASS_NAMES if count == len(CLASS_NAMES) else tuple(map(str, range(count)))


def load_with_classes(
    path_or_name: str | os.PathLike,
    folder: str | os.PathLike = keras_file.FOLDER,
    pixels: str | None = None,
):
    """Return a model that takes raw pixels, and the names of its classes.

    `pixels` is the range that it was trained on, where there is no card: raw without.
    """
    model = keras_file.load_artifact(path_or_name, folder)
    card = card_or_empty(path_or_name, folder)
    names = class_names_of(card, model)
    told = told_pixels(card, pixels) or RAW
    return take_raw_pixels(model, told), names


def told_pixels(card: dict, pixels: str | None) -> str | None:
    """Return the range a model takes: by its card, raw unless it says otherwise.

    Without a card it is `pixels`.
    """
    return card.get("pixels", RAW) if card else pixels


def load_for_dataset(
    path_or_name: str | os.PathLike,
    folder: str | os.PathLike,
    dataset: Dataset,
    pixels: str | None = None,
):
    """Open a model to be measured on `dataset`.

    `pixels` is the range that a model without a card was trained on; where it is not
    given, a model that is far better on another range than on raw pixels is pointed
    out on stderr. Raises `UserError` where it is not to be had (see `load_artifact`),
    or where it tells other classes apart than those of the data.
    """
    card = card_or_empty(path_or_name, folder)
    names = tuple(card.get("classes", ()))
    if names and names != dataset.class_names:
        raise UserError(
            f"The model '{path_or_name}' has other classes than the data set "
            f"{dataset.name}; expected {_shortened(dataset.class_names)}: "
            f"give the data it was trained on. Received: {_shortened(names)}"
        )
    model = keras_file.load_artifact(path_or_name, folder, dataset.num_classes)
    told = told_pixels(card, pixels)
    if told is None:
        # Of all classes: those of picture folders come one after another.
        count = len(dataset.y_train)
        chosen = np.linspace(0, count - 1, min(SAMPLE, count)).astype(int)
        images, labels = dataset.x_train[chosen], dataset.y_train[chosen]
        warning = range_warning(
            str(path_or_name), accuracy_by_range(model, images, labels)
        )
        if warning:
            print(f"fmkeras: {warning}", file=sys.stderr)
        return model
    return take_raw_pixels(model, told)


def validation_subset(card: dict, dataset: Dataset) -> Subset | None:
    """Return the validation images of a model's own training.

    None where it trained on all images, on other data, or where its training is
    unknown: any image may then be one that it was trained on. None, too, where its
    validation images are of the test.
    """
    told = card.get("dataset", {})
    split = card.get("recipe", {}).get("data_split", "holdout")
    known = told.get("checksum") == dataset.checksum and "seed" in card
    if not known or split not in ("holdout", "random"):
        return None
    streams = card.get("streams", 1)
    return split_dataset(dataset, card["seed"], split, streams).validation


def _shortened(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + rest


def _data_of(path: Path, default: str) -> str:
    """Return the data that a model was trained on, by its card; else `default`."""
    try:
        return card_or_empty(path).get("dataset", {}).get("name", default)
    except UserError:
        # A damaged card: whoever opens the model says so.
        return default
