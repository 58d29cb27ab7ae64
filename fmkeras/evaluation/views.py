"""Test-time views: an image seen flipped and moved too, what is said averaged.

What is reported with views is a figure of its own: the model computes several times as
long for it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fmkeras.evaluation.evaluate import as_probabilities


@dataclass(frozen=True)
class View:
    """One look at an image, and how much it counts.

    Attributes:
        weight: the views of an image sum to one.
        flipped: left to right.
        down, right: pixels that the image is moved by, zeros moving in.
    """

    weight: float
    flipped: bool = False
    down: int = 0
    right: int = 0


# Both follow airbench94 (Jordan, arXiv 2404.00498), which moves by a pixel along the
# diagonal, both ways, and counts the image in its place for as much as the two.
VIEWS: dict[str, tuple[View, ...]] = {
    "none": (View(1.0),),
    "mirror": (View(0.5), View(0.5, flipped=True)),
    "mirror-shift": tuple(
        View(weight / 2, flipped, step, step)
        for weight, step in ((0.5, 0), (0.25, -1), (0.25, 1))
        for flipped in (False, True)
    ),
}


def seen(images: np.ndarray, view: View) -> np.ndarray:
    """Return images (n, height, width) as a view shows them."""
    if view.flipped:
        images = images[:, :, ::-1]
    height, width = images.shape[1:]
    moved = np.zeros_like(images)
    to_rows, from_rows = _slices(height, view.down)
    to_columns, from_columns = _slices(width, view.right)
    moved[:, to_rows, to_columns] = images[:, from_rows, from_columns]
    return moved


def average_over_views(
    predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray, views: str
) -> np.ndarray:
    """Return the weighted mean of the outputs for each view of `VIEWS[views]`.

    `predict(images)` returns (n, classes) for images (n, height, width).
    """
    outputs = [
        np.float32(view.weight) * predict(seen(images, view)) for view in VIEWS[views]
    ]
    return np.sum(outputs, axis=0)


def probabilities_over_views(
    predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray, views: str
) -> np.ndarray:
    """Return the weighted mean of each view's probabilities, float32 (n, classes).

    As `average_over_views`, but outputs that are logits or sigmoids become
    probabilities first. Raises `UserError` where some are no finite numbers.
    """
    outputs = [predict(seen(images, view)) for view in VIEWS[views]]
    # Of all views at once: what outputs are is told from their values.
    shares = as_probabilities(np.concatenate(outputs))
    weights = np.array([view.weight for view in VIEWS[views]], np.float32)
    return np.tensordot(weights, shares.reshape(len(weights), *outputs[0].shape), 1)


def _slices(size: int, step: int) -> tuple[slice, slice]:
    """Return where moved pixels go, and where they come from."""
    return slice(max(step, 0), size + min(step, 0)), slice(
        max(-step, 0), size + min(-step, 0)
    )
