"""What every data set looks like to the rest of the project."""

import hashlib
from dataclasses import dataclass

import numpy as np

from fmkeras.labels import CLASS_NAMES


@dataclass(frozen=True)
class Dataset:
    """Training and test images with their labels.

    Attributes:
        name: `fashion-mnist`, `csv`, `garments`, or what data of your own is called.
        x_train, x_test: uint8 images, (n, 28, 28), 0 is the background.
        y_train, y_test: int64 labels, (n,), from 0, in the order of `class_names`.
        source: where the images come from: a folder, files, or how they were made.
        checksum: of the content, see `content_checksum`.
        class_names: one a class; the ten of Fashion-MNIST where not given.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    source: str
    checksum: str
    class_names: tuple[str, ...] = CLASS_NAMES

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


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
