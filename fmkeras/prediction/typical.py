"""How far an image is from the training images of Fashion-MNIST: a simple score.

The score is the distance to the nearest of 2,000 training images, of both in 7 x 7
means of 4 x 4 pixels scaled to length 1, so that brightness does not matter. An image
is far where its score is above that of 99 in 100 other training images. The 2,000 and
the limit are shipped; `python -m fmkeras.prediction.typical DATA_DIR` makes them.

Of the test images 1 % are far, of letters and digits 97 %, of plain ellipses and
rectangles 90 %, of four images in one 76 %; noise, whose means are those of a plain
square, is not (tests/prediction/test_doubt.py measures some of these).
"""

import functools
import sys
from pathlib import Path

import numpy as np

from fmkeras.files import replacing

FILE = Path(__file__).with_name("typical.npz")
KEPT = 2_000
SHARE = 0.99
_CELL = 4


def distances(images: np.ndarray) -> np.ndarray:
    """Return the score of uint8 images (n, 28, 28): 0 for one of the 2,000."""
    return _nearest(_unit_means(images), _reference()[0])


def are_far(images: np.ndarray) -> np.ndarray:
    """Return which images, (n,), are far from the training images."""
    return distances(images) > _reference()[1]


def make_reference(images: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the means that are kept, uint8 (2000, 49), and the limit of the score."""
    step = len(images) // KEPT
    kept = _means(images[::step]).round().astype(np.uint8)
    # Others than those, as many as three to one.
    scores = _nearest(_unit_means(images[step // 2 :: step // 3]), _unit(kept))
    return kept, float(np.quantile(scores, SHARE))


def shipped_reference() -> tuple[np.ndarray, float]:
    """Return the means of the shipped images, uint8 (2000, 49), and the limit."""
    with np.load(FILE) as arrays:
        return arrays["means"], float(arrays["limit"])


@functools.cache
def _reference() -> tuple[np.ndarray, float]:
    means, limit = shipped_reference()
    return _unit(means), limit


def _means(images: np.ndarray) -> np.ndarray:
    side = images.shape[1] // _CELL
    cells = np.asarray(images, np.float64).reshape(-1, side, _CELL, side, _CELL)
    return cells.mean(axis=(2, 4)).reshape(len(images), -1)


def _unit(means: np.ndarray) -> np.ndarray:
    means = means.astype(np.float64)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)


def _unit_means(images: np.ndarray) -> np.ndarray:
    return _unit(_means(images))


def _nearest(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    # Of length 1 both: the squared distance is 2 less twice the product.
    return np.sqrt(np.maximum(2 - 2 * (rows @ reference.T).max(axis=1), 0))


if __name__ == "__main__":
    from fmkeras.datasets import load_dataset

    means, limit = make_reference(load_dataset("fashion-mnist", *sys.argv[1:]).x_train)
    with replacing(FILE) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, means=means, limit=limit)
