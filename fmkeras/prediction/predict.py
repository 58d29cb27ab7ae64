"""Classify picture files: read, prepare, predict, and write the results."""

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmkeras.datasets.image_files import Picture, read_picture
from fmkeras.datasets.picture_decoder import PICTURE_SUFFIXES, SUFFIXES
from fmkeras.errors import UserError
from fmkeras.evaluation.evaluate import as_probabilities
from fmkeras.evaluation.html import html_table
from fmkeras.files import ESCAPED, printable, replacing
from fmkeras.labels import CLASS_NAMES
from fmkeras.prediction.typical import are_far

SHOWN = 3
FAR = "unlike the training images"


@dataclass(frozen=True, eq=False)
class Prediction:
    """A picture and the probability of each class, float64 (classes,).

    `doubts` are reasons why they may be wrong, however high.
    """

    picture: Picture
    probabilities: np.ndarray
    class_names: tuple[str, ...] = CLASS_NAMES
    doubts: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The likeliest class."""
        return self.class_names[int(self.probabilities.argmax())]

    def likeliest(self) -> list[str]:
        """Return the likeliest classes, three at most, each with its probability."""
        order = np.argsort(-self.probabilities, kind="stable")[:SHOWN]
        return [f"{self.class_names[i]} {self.probabilities[i]:.1%}" for i in order]

    def to_text(self) -> str:
        """Return the file name, the likeliest classes and the preparation steps."""
        classes = self.likeliest()
        notes = ", ".join(self.picture.notes)
        text = f"{printable(self.picture.path)}: {', '.join(classes)} ({notes})"
        if self.doubts:
            text += f"; doubtful: {', '.join(self.doubts)}"
        return text


class Predictions(list):
    """What a model makes of several pictures; a table in notebooks."""

    def __str__(self) -> str:
        return "\n".join(one.to_text() for one in self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for one in self:
            path, shown = printable(one.picture.path), one.likeliest()
            # A model of two classes has no third.
            shown += [""] * (SHOWN - len(shown))
            notes, doubts = ", ".join(one.picture.notes), ", ".join(one.doubts)
            rows.append((path, *shown, notes, doubts))
        heads = ("file", "likeliest", "then", "then", "notes", "doubts")
        return html_table(heads, rows)


def find_pictures(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """Return picture files, those of folders included, sorted by name.

    Formats that cannot be read are included: `read_all` reports each. Raises
    `UserError` where there is no file.
    """
    paths, found = list(map(Path, paths)), []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.iterdir())
            found += [f for f in inside if f.suffix.lower() in PICTURE_SUFFIXES]
        else:
            found.append(path)
    if not found:
        raise UserError(
            "There is no picture; expected files, or a folder that holds "
            f"some ({', '.join(SUFFIXES)}). Received: "
            f"{', '.join(map(str, paths)) or 'none'}"
        )
    return found


def predict_pictures(
    model,
    pictures: Iterable[Picture],
    predict: Callable,
    class_names: Sequence[str] = CLASS_NAMES,
) -> list[Prediction]:
    """Return the prediction of `model` for each picture.

    `predict(model, images)` returns logits or probabilities, float (n, classes).
    Raises `UserError` where these are not one a name.
    """
    pictures, names = list(pictures), tuple(class_names)
    images = np.stack([picture.pixels for picture in pictures])
    outputs = np.asarray(predict(model, images), np.float64)
    if outputs.shape != (len(pictures), len(names)):
        raise UserError(
            f"The model does not give one output a class; expected {len(names)} for "
            f"{', '.join(names)}. Received: outputs of shape {outputs.shape}"
        )
    probabilities = as_probabilities(outputs)
    doubts = [picture.doubts for picture in pictures]
    if names == CLASS_NAMES:
        # Of other classes there is nothing to be far from.
        far = are_far(images)
        doubts = [(*d, *((FAR,) * int(f))) for d, f in zip(doubts, far, strict=True)]
    return [
        Prediction(picture, shares, names, doubt)
        for picture, shares, doubt in zip(pictures, probabilities, doubts, strict=True)
    ]


def keep_what_was_seen(
    predictions: Iterable[Prediction], folder: str | os.PathLike
) -> list[Path]:
    """Write the 28 x 28 pixels of each picture as a PNG; return the paths.

    Pictures with the same name get a number, in their order.
    """
    from PIL import Image

    written: list[Path] = []
    for prediction in predictions:
        stem, number = prediction.picture.path.stem, 1
        path = Path(folder) / f"{stem}-28x28.png"
        while path in written:
            number += 1
            path = Path(folder) / f"{stem}-{number}-28x28.png"
        with replacing(path) as temporary:
            Image.fromarray(prediction.picture.pixels).save(temporary)
        written.append(path)
    return written


def write_predictions(
    predictions: Iterable[Prediction], path: str | os.PathLike
) -> None:
    """Write a CSV file with a row per picture and a column per class."""
    predictions = list(predictions)
    names = predictions[0].class_names if predictions else CLASS_NAMES
    with (
        replacing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors=ESCAPED) as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "class", "probability", *names, "notes", "doubts"])
        for prediction in predictions:
            shares = prediction.probabilities
            cells = [f"{share:.6f}" for share in (shares.max(), *shares)]
            notes = "; ".join(prediction.picture.notes)
            path = prediction.picture.path
            doubts = "; ".join(prediction.doubts)
            writer.writerow([path, prediction.label, *cells, notes, doubts])


def read_all(
    paths: Iterable[Path], skip: Callable[[UserError], None] | None = None
) -> list[Picture]:
    """Read every picture; call `skip` with the error of each unreadable one.

    Raises the first `UserError` where `skip` is None.
    """
    pictures = []
    for path in paths:
        try:
            pictures.append(read_picture(path))
        except UserError as error:
            if skip is None:
                raise
            skip(error)
    return pictures
