"""Images of any size and number type to uint8 (n, 28, 28), and a split where needed."""

import numpy as np

from fmkeras.errors import UserError
from fmkeras.labels import IMAGE_SHAPE
from fmkeras.seeds import random_generator

SIDE = IMAGE_SHAPE[0]
TEST_SHARE = 5


def white_of(*parts: np.ndarray) -> int:
    """Return what is white in the parts of a data set: 1 in floats up to 1, else 255.

    Floats of 0 and 1 alone are black and white, and all parts have one scale.
    """
    floats = [part for part in parts if part.dtype.kind == "f" and part.size]
    return 1 if floats and all(part.max() <= 1 for part in floats) else 255


def to_images(array: np.ndarray, where: str, white: int = 255) -> np.ndarray:
    """Return grey images, (n, h, w), (n, h, w, 1) or (n, 784), as uint8 (n, 28, 28).

    Whole numbers are 0 to 255, floats 0 to `white`, 1 or 255 (see `white_of`). Images
    of another size are stretched. Raises `UserError` that names `where` otherwise.
    """
    images = array
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim == 2 and images.shape[1] == SIDE * SIDE:
        images = images.reshape(-1, SIDE, SIDE)
    if images.ndim != 3 or not len(images) or 0 in images.shape:
        raise UserError(
            f"The images in {where} have a shape of no use; expected grey images, (n, "
            f"height, width) or (n, 784), one or more. Received: {array.shape}"
        )
    images = _to_bytes(images, where, white)
    if images.shape[1:] == (SIDE, SIDE):
        return np.ascontiguousarray(images)
    return np.stack([stretch(image) for image in images])


def stretch(image: np.ndarray) -> np.ndarray:
    """Return a grey image, (h, w), 0 to 255, as uint8 (28, 28), its sides stretched."""
    from PIL import Image

    smaller = min(image.shape) >= SIDE
    kind = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    resized = Image.fromarray(image.astype(np.float32)).resize((SIDE, SIDE), kind)
    return np.clip(np.asarray(resized).round(), 0, 255).astype(np.uint8)


def split_off_test(labels: np.ndarray, seed: int, where: str) -> np.ndarray:
    """Return which images become test images, bool (n,): a fifth of each class.

    Of each class one image or more goes to either side. Raises `UserError` for a
    class of fewer than two.
    """
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise UserError(
                f"A class in {where} has a single image; expected two or more, to "
                f"train on and to test: add some. Received: class {label}"
            )
        order = random_generator("test-images", seed, int(label)).permutation(members)
        chosen[order[: max(len(members) // TEST_SHARE, 1)]] = True
    return chosen


def _to_bytes(images: np.ndarray, where: str, white: int) -> np.ndarray:
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind not in "biuf":
        raise UserError(
            f"The images in {where} are no numbers; expected 0 to 255, or fractions "
            f"from 0 to 1: save them anew. Received: {images.dtype}"
        )
    values = images.astype(np.float64)
    low, high = values.min(), values.max()
    top = white if images.dtype.kind == "f" else 1 if images.dtype.kind == "b" else 255
    fits = np.isfinite(values).all() and 0 <= low and high <= top
    if fits and (top == 1 or (values == values.round()).all()):
        return (values * (255 / top)).round().astype(np.uint8)
    raise UserError(
        f"The images in {where} have pixels of no use; expected whole numbers from 0 "
        "to 255, or fractions from 0 to 1, as they are before any standardising. "
        f"Received: {low:g} to {high:g}"
    )
