"""What every data set looks like to the rest of the project."""

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """Training and test images of the ten classes.

    Attributes:
        name: `fashion-mnist`, `csv` or `garments`.
        x_train, x_test: uint8 images, (n, 28, 28), 0 is the background.
        y_train, y_test: int64 labels, (n,), 0 to 9 in the order of `CLASS_NAMES`.
        source: where the images come from: a folder, files, or how they were made.
        checksum: of the content, see `content_checksum`.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    source: str
    checksum: str


def content_checksum(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of images and labels, 64 hexadecimal digits.

    It covers shapes and values alone, so equal data sets have equal checksums
    whichever files they were read from.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array, np.uint8))
    return digest.hexdigest()
