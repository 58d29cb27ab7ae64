"""Exact and near duplicates between two sets of images."""

from dataclasses import dataclass

import numpy as np

# Inspected on Fashion-MNIST: below this, pairs show one product, or two shades of
# it; from 0.12 on they are trousers that look alike.
BAR = 0.1
_ROWS, _COLUMNS = 1_000, 10_000


@dataclass(frozen=True)
class Duplicate:
    """Image `first` of one set is image `second` of the other.

    `distance` is as in `find_duplicates`; 0 for the same pixels, `exact`, but for
    another brightness too.
    """

    first: int
    second: int
    distance: float
    exact: bool = False


def find_duplicates(
    first: np.ndarray, second: np.ndarray, bar: float = BAR
) -> list[Duplicate]:
    """Return pairs of exact or near duplicates, the nearest first.

    `first` and `second` are uint8 (n, h, w) and (m, h, w). The distance is Euclid's
    between the images as vectors of mean 0 and length 1: it ranges from 0 to 2, and
    brightness and contrast do not count. Images of one colour have no such vector;
    they are found where they are the same. Pairs below `bar` are returned.
    """
    exact = _same(first, second)
    pairs = [Duplicate(i, j, 0.0, exact=True) for i, j in exact]
    known = set(exact)
    vectors, others = _unit_vectors(first), _unit_vectors(second)
    # The distance's square is 2 - 2 * the vectors' product.
    least = 1 - bar**2 / 2
    for top in range(0, len(vectors), _ROWS):
        for left in range(0, len(others), _COLUMNS):
            rows, columns = vectors[top : top + _ROWS], others[left : left + _COLUMNS]
            products = rows @ columns.T
            for i, j in np.argwhere(products > least).tolist():
                if (top + i, left + j) not in known:
                    distance = float(np.linalg.norm(rows[i] - columns[j]))
                    pairs.append(Duplicate(top + i, left + j, distance))
    return sorted(pairs, key=lambda pair: pair.distance)


def divided_pairs(pairs: list[dict]) -> tuple[list[dict], list[dict]]:
    """Return the pairs of an audit's `duplicates` that are exact, and near ones.

    A test image with an exact duplicate is counted there alone: its near ones are left
    out. An older audit has no `exact`: its distances, rounded, say which are.
    """
    exact = [pair for pair in pairs if pair.get("exact", pair["distance"] == 0)]
    images = {pair["test"] for pair in exact}
    return exact, [pair for pair in pairs if pair["test"] not in images]


def images_of(pairs: list[dict]) -> str:
    """Return how many test images pairs have, and how many pairs where they differ."""
    images = len({pair["test"] for pair in pairs})
    return f"{images} (in {len(pairs)} pairs)" if len(pairs) > images else f"{images}"


def _same(first: np.ndarray, second: np.ndarray) -> list[tuple[int, int]]:
    places: dict[bytes, list[int]] = {}
    for j, image in enumerate(second):
        places.setdefault(image.tobytes(), []).append(j)
    return [(i, j) for i, x in enumerate(first) for j in places.get(x.tobytes(), ())]


def _unit_vectors(images: np.ndarray) -> np.ndarray:
    vectors = images.reshape(len(images), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-6)
