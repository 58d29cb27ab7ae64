"""An NPZ file of x_train, y_train and, where there is a test part, x_test, y_test."""

from pathlib import Path

import numpy as np

from fmkeras.errors import UserError
from fmkeras.files.npz import LARGEST_BYTES, names_in, read_npz
from fmkeras.files.reading import open_regular, reason_of

NAMES = ("x_train", "y_train", "x_test", "y_test")


def holds_images(path: Path) -> bool:
    """Return whether an .npz file holds `x_train` and `y_train`, as far as it tells."""
    try:
        with open_regular(path, LARGEST_BYTES) as file:
            return set(NAMES[:2]) <= set(names_in(file))
    except Exception:  # zipfile raises many types.
        return False


def read_npz_file(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of `NAMES` that the file holds; the first two it must.

    Raises `UserError` where it cannot be read, lacks one of a pair, holds objects
    (which could run code), or has other numbers of images and labels.
    """
    try:
        with open_regular(path, LARGEST_BYTES) as file:
            arrays = read_npz(file, lambda name: name in NAMES)
            held = names_in(file)
    except (OSError, ValueError) as error:
        raise UserError(
            f"The file '{path}' cannot be read ({reason_of(error)}); expected an .npz "
            "file of plain arrays, as numpy.savez writes: save it anew."
        ) from error
    lacking = [name for name in NAMES[:2] if name not in arrays]
    if len({"x_test", "y_test"} & set(arrays)) == 1:
        lacking = [name for name in NAMES if name not in arrays]
    if lacking:
        raise UserError(
            f"The file '{path}' lacks {' and '.join(lacking)}; expected "
            f"{', '.join(NAMES)}, the last two if there is a test part: save it anew. "
            f"Received: {', '.join(held) or 'nothing'}"
        )
    for part in ("train", "test"):
        if f"x_{part}" in arrays:
            _check_labels(path, part, arrays)
    return arrays


def _check_labels(path: Path, part: str, arrays: dict[str, np.ndarray]) -> None:
    labels, images = arrays[f"y_{part}"], arrays[f"x_{part}"]
    count = len(images) if images.ndim else 0
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    ones = labels.ndim == 2 and ((labels == 0) | (labels == 1)).all()
    # Several or none in a row are no class.
    if ones and (labels.sum(axis=1) == 1).all():
        labels = labels.argmax(axis=1)
    fits = labels.ndim == 1 and len(labels) == count
    if fits and labels.dtype.kind == "f" and (labels == labels.round()).all():
        labels = labels.astype(np.int64)
    if not fits or labels.dtype.kind not in "biuUS":
        raise UserError(
            f"The labels y_{part} in '{path}' are of no use; expected a class number "
            "or name for each image, (n,), or rows with a single one, in its column. "
            f"Received: {arrays[f'y_{part}'].shape} of {labels.dtype}, "
            f"{count} images"
        )
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    arrays[f"y_{part}"] = labels
