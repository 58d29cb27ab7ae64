"""Plane shapes as signed distances: positive inside, about 0 on the edge.

The picture is the square from -1 to 1, 28 pixels wide. Every argument may hold one
value for each image of a batch, (n, 1, 1), or for each point, (n, rows, columns).
"""

import numpy as np


def strip(
    x: np.ndarray,
    y: np.ndarray,
    x0: np.ndarray | float,
    y0: np.ndarray | float,
    x1: np.ndarray | float,
    y1: np.ndarray | float,
    radius: np.ndarray | float,
) -> np.ndarray:
    """A band of half width `radius` from (x0, y0) to (x1, y1), with round ends."""
    dx, dy = x1 - x0, y1 - y0
    along = ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)
    along = np.clip(along, 0, 1)
    return radius - np.hypot(x - x0 - along * dx, y - y0 - along * dy)


def box(
    x: np.ndarray,
    y: np.ndarray,
    half_width: np.ndarray | float,
    half_height: np.ndarray | float,
) -> np.ndarray:
    """A rectangle about the origin."""
    return np.minimum(half_width - np.abs(x), half_height - np.abs(y))


def ramp(position: np.ndarray, knots: tuple, values: tuple) -> np.ndarray:
    """Piecewise linear from `values[0]` to `values[-1]`, whose knots may vary by image.

    `np.interp` takes one set of knots for all images; this takes one an image.
    """
    result = values[0]
    for left, right, low, high in zip(
        knots, knots[1:], values, values[1:], strict=False
    ):
        share = np.clip((position - left) / (right - left), 0, 1)
        result = result + (high - low) * share
    return result


def common(*distances: np.ndarray) -> np.ndarray:
    """What lies inside every one of the shapes."""
    inside = distances[0]
    for distance in distances[1:]:
        inside = np.minimum(inside, distance)
    return inside


def cover(inside: np.ndarray) -> np.ndarray:
    """How much of each pixel a shape covers, 0 to 1, from its signed distance."""
    return np.clip(inside * 14 + 0.5, 0, 1)
