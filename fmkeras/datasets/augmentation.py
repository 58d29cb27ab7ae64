"""Augmentation of training images: translated, flipped, rotated, erased, mixed.

What happens to each image is drawn by numpy from (seed, epoch) alone; the images are
then changed inside the compiled step, on the device. So every backend sees the same
images, and no image is touched by Python.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from keras import ops

from fmkeras.datasets.mixing import NUM_MIXING, draw_mixing, mix
from fmkeras.errors import UserError
from fmkeras.labels import IMAGE_SHAPE, PIXEL_MEAN
from fmkeras.seeds import random_generator

HEIGHT, WIDTH = IMAGE_SHAPE[:2]
CENTRE = np.array([(HEIGHT - 1) / 2, (WIDTH - 1) / 2])
# Of random erasing, as its paper has them: area and height to width of the rectangle.
ERASED_AREA = (0.02, 0.4)
ERASED_ASPECT = (0.3, 1 / 0.3)
AT_ONCE = 10_000  # images, where all are augmented outside of training
# The columns of a row of params that are the map; the rectangle follows.
NUM_AFFINE = 6
NUM_RECTANGLE = 5
NUM_ERASED = NUM_AFFINE + NUM_RECTANGLE
CUTOUT_FILLS = {"zero": 0.0, "mean": 255 * PIXEL_MEAN}
# The largest value of a field; the least is 0.
_MOST = {
    "crop_padding": 14,
    "rotation": 180.0,
    "erasing": 1.0,
    "flip_share": 1.0,
    "cutout": 28,
    "mixup": math.inf,
    "cutmix": math.inf,
}
# Zeros around an image: two of them, for a mean takes the next pixel too.
BORDER = 2
ROWS, STRIDE = HEIGHT + 2 * BORDER, WIDTH + 2 * BORDER


@dataclass(frozen=True)
class Augmentation:
    """How training images are changed; the fields are those of a `Recipe`."""

    crop_padding: int = 0
    flip: bool = False
    rotation: float = 0.0
    erasing: float = 0.0
    flip_share: float = 0.5  # of the images, where `flip` is on
    cutout: int = 0
    cutout_fill: str = "mean"
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise UserError(
                    f"Bad {name}; expected a number from 0 to {most}. Received: {value}"
                )
        if self.cutout_fill not in CUTOUT_FILLS:
            raise UserError(
                f"Bad cutout_fill; expected one of {', '.join(CUTOUT_FILLS)}. "
                f"Received: {self.cutout_fill!r}"
            )

    def __bool__(self) -> bool:
        return self != Augmentation(flip_share=self.flip_share)

    def draw(self, count: int, seed: int, epoch: int) -> np.ndarray:
        """Return what happens to each of `count` images in `epoch`, float32 (count, c).

        c is 11, or 0 where nothing is to happen. In a row: the affine map from a
        pixel (y, x) to where its value comes from, (yy, yx, y0, xy, xx, x0), and the
        erased rectangle, (top, left, bottom, right, value), empty for most images.
        With cutout another rectangle follows, with mixing what `draw_mixing` returns.
        """
        if not self:
            return np.zeros((count, 0), np.float32)
        generator = random_generator("augmentation", seed, epoch)
        padding = self.crop_padding
        shift = generator.integers(-padding, padding + 1, size=(count, 2))
        share = self.flip_share if self.flip else 0.0
        mirror = np.where(generator.random(count) < share, -1.0, 1.0)
        angle = np.deg2rad(generator.uniform(-self.rotation, self.rotation, count))
        cos, sin = np.cos(angle), np.sin(angle)
        yy, yx, xy, xx = cos, sin, -sin * mirror, cos * mirror
        y0 = CENTRE[0] - yy * CENTRE[0] - yx * CENTRE[1] + shift[:, 0]
        x0 = CENTRE[1] - xy * CENTRE[0] - xx * CENTRE[1] + shift[:, 1]
        rectangle = _draw_rectangles(generator, count, self.erasing)
        columns = [yy, yx, y0, xy, xx, x0, *rectangle]
        if self.cutout:
            columns += _draw_squares(generator, count, self.cutout, self.cutout_fill)
        if self.mixes:
            columns += [*draw_mixing(generator, count, self.mixup, self.cutmix).T]
        return np.stack(columns, axis=1).astype(np.float32)

    def augment(self, images: np.ndarray, seed: int, epoch: int = 0) -> np.ndarray:
        """Return uint8 `images`, (n, 28, 28), as `epoch` would train on them.

        What lies between two grey values is rounded to the nearer. Raises `UserError`
        for other images, and where images are mixed, for that takes labels.
        """
        if self.mixes:
            raise UserError(
                "Mixed images need their labels; expected mixup 0 and cutmix 0 to look "
                f"at images alone. Received: mixup {self.mixup}, cutmix {self.cutmix}"
            )
        if images.dtype != np.uint8 or images.shape[1:] != (HEIGHT, WIDTH):
            raise UserError(
                f"Bad images; expected uint8 (n, {HEIGHT}, {WIDTH}). Received: "
                f"{images.dtype} {images.shape}"
            )
        params = self.draw(len(images), seed, epoch)
        parts = [np.zeros((0, *images.shape[1:]), np.uint8)]
        for start in range(0, len(images) if self else 0, AT_ONCE):
            part = slice(start, start + AT_ONCE)
            changed = self.apply(
                ops.convert_to_tensor(images[part]),
                ops.convert_to_tensor(params[part]),
                _sample_anywhere,
            )
            values = np.rint(ops.convert_to_numpy(changed))
            parts.append(np.clip(values, 0, 255).astype(np.uint8))
        return np.concatenate(parts) if self else images

    def apply(self, images, params, sample):
        """Return float32 (n, 28, 28): `images`, (n, 28, 28), changed by `params`.

        `sample(images, maps, bilinear)` is the backend's `sample_images`.
        """
        if self.rotation or self.crop_padding or self.flip:
            images = sample(images, params[:, :NUM_AFFINE], bool(self.rotation))
        images = ops.cast(images, "float32")
        if self.erasing:
            images = erase(images, params[:, NUM_AFFINE:NUM_ERASED])
        if self.cutout:
            images = erase(images, params[:, NUM_ERASED : NUM_ERASED + NUM_RECTANGLE])
        return images

    @property
    def mixes(self) -> bool:
        """Whether images and their labels are mixed with others of the batch."""
        return bool(self.mixup or self.cutmix)

    def unmixed(self) -> "Augmentation":
        """Return the same without mixing: what can be done to images alone."""
        return replace(self, mixup=0.0, cutmix=0.0)

    def mix(self, images, targets, params):
        """Return images, as `apply` gives them, and one-hot targets, both mixed."""
        if not self.mixes:
            return images, targets
        return mix(images, targets, params[:, -NUM_MIXING:])


def sample_images(images, maps, bilinear: bool, gather):
    """Return (n, 28, 28), of each pixel the value from where `maps`, (n, 6), say.

    Args:
        images: (n, 28, 28); outside them all is zero.
        maps: the first six columns that `Augmentation.draw` returns.
        bilinear: take bilinear means of four pixels; else the maps must neither turn
            nor end between pixels.
        gather: `gather(rows, index)` returns rows[i, index[i, j]] for int32 `index`
            (n, m), none out of bounds.
    """
    yy, yx, y0, xy, xx, x0 = (
        maps[:, column, None, None] for column in range(NUM_AFFINE)
    )
    y = ops.arange(HEIGHT, dtype="float32")[:, None]
    x = ops.arange(WIDTH, dtype="float32")
    rows, columns = yy * y + y0, xx * x + x0
    if not bilinear:
        return _as_images(gather(_padded(images), _as_rows(_index(rows, columns))))
    images = ops.cast(images, "float32")
    return _bilinear(images, rows + yx * x, columns + xy * y, gather)


def _sample_anywhere(images, maps, bilinear: bool):
    """As `sample_images`, on any backend, outside of compiled steps."""

    def gather(rows, index):
        return ops.take_along_axis(rows, index, axis=1)

    return sample_images(images, maps, bilinear, gather)


def _draw_rectangles(generator, count: int, share: float) -> list[np.ndarray]:
    """Return top, left, bottom, right and grey value; a `share` is not empty."""
    chosen = generator.random(count) < share
    area = generator.uniform(*ERASED_AREA, count) * HEIGHT * WIDTH
    aspect = np.exp(generator.uniform(*np.log(ERASED_ASPECT), count))
    height = np.clip(np.round(np.sqrt(area * aspect)), 1, HEIGHT) * chosen
    width = np.clip(np.round(np.sqrt(area / aspect)), 1, WIDTH)
    top = np.floor(generator.random(count) * (HEIGHT + 1 - height))
    left = np.floor(generator.random(count) * (WIDTH + 1 - width))
    value = generator.integers(0, 256, count)
    return [top, left, top + height, left + width, value]


def _draw_squares(generator, count: int, side: int, fill: str) -> list[np.ndarray]:
    """Return cutout's squares around any pixel, cut off at the border of the image."""
    corners = []
    for size in (HEIGHT, WIDTH):
        first = generator.integers(0, size, count) - side // 2
        corners.append((np.clip(first, 0, size), np.clip(first + side, 0, size)))
    (top, bottom), (left, right) = corners
    return [top, left, bottom, right, np.full(count, CUTOUT_FILLS[fill])]


def erase(images, rectangles):
    """Give what lies inside `rectangles`, (n, 5), one value."""
    pixels = ops.arange(HEIGHT, dtype="float32")
    # Of each image, which rows are inside, and which columns.
    first, end = rectangles[:, :2, None], rectangles[:, 2:4, None]
    inside = (pixels >= first) & (pixels < end)
    inside = inside[:, 0, :, None] & inside[:, 1, None, :]
    return ops.where(inside, rectangles[:, 4, None, None], images)


def _bilinear(images, rows, columns, gather):
    """Take bilinear means of four pixels each; `rows` and `columns`: (n, 28, 28)."""
    top, left = ops.floor(rows), ops.floor(columns)
    down, right = (_as_rows(part) for part in (rows - top, columns - left))
    flat, index = _padded(images), _as_rows(_index(top, left))
    pixels = [gather(flat, index + step) for step in (0, 1, STRIDE, STRIDE + 1)]
    above = pixels[0] + right * (pixels[1] - pixels[0])
    below = pixels[2] + right * (pixels[3] - pixels[2])
    return _as_images(above + down * (below - above))


def _padded(images):
    """Return the images in a frame of zeros, flat: what comes from outside is zero."""
    frame = (BORDER, BORDER)
    return ops.reshape(ops.pad(images, ((0, 0), frame, frame)), (-1, ROWS * STRIDE))


def _index(rows, columns):
    """Return where pixels lie in a flat framed image, int32 (n, 28, 28).

    All that are further out than the frame lie in its outer rows and columns, and so
    do the pixels below and to the right of them.
    """
    rows = ops.clip(rows, -BORDER, HEIGHT) * STRIDE
    columns = ops.clip(columns, -BORDER, WIDTH) + (BORDER * STRIDE + BORDER)
    return ops.cast(rows + columns, "int32")


def _as_rows(images):
    return ops.reshape(images, (-1, HEIGHT * WIDTH))


def _as_images(rows):
    return ops.reshape(rows, (-1, HEIGHT, WIDTH))
