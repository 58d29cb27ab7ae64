"""Pictures of any size as 28 x 28 images, prepared as the data set was.

Fashion-MNIST's images were trimmed, shrunk until the longest side was 28 pixels,
made grey, inverted and put on a 28 x 28 canvas (Xiao et al., 2017, figure 1). Its
originals stand on white; pictures here may stand on any plain background.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmkeras.datasets.picture_decoder import decode
from fmkeras.errors import UserError
from fmkeras.labels import IMAGE_SHAPE

SIDE = IMAGE_SHAPE[0]
# The border of an image of the data set is more often darker than DARK than white.
DARK, WHITE = 20, 250
# A pixel belongs to the garment where a channel differs from the background by more
# than this, of 255, and than this share of the largest difference.
LEAST_DIFFERENCE = 20
LEAST_SHARE = 0.12
# A garment that differs less from its background, of 255, is faint; a part at least so
# large beside the largest is an object of its own.
LOW_CONTRAST = 60
OBJECT_SHARE = 0.3
# Above this mean a garment would be lost on white.
PALE = 200
# Rec. 601, as Pillow and ImageMagick make a picture grey.
LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class Picture:
    """A prepared picture.

    Attributes:
        path: the file.
        pixels: uint8 (28, 28), 0 is the background, as in the data set.
        notes: what was done: inverted, composited on a background, and so on.
        doubts: why what a model says of it may be wrong: low contrast, several objects.
        white: what was taken for white, of a picture of more than 8 bits.
    """

    path: Path
    pixels: np.ndarray
    notes: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    white: int | None = None


def read_picture(path: str | os.PathLike, white: int | None = None) -> Picture:
    """Read a picture of any size, grey, coloured or transparent, and prepare it.

    `white` is the number that stands for it in a picture of more than 8 bits, where
    others tell it; by default that of its own brightest pixel. Raises `UserError` for
    a file that is missing or no picture, and for a picture that shows nothing but its
    background.
    """
    path = Path(path)
    decoded = decode(path, white)
    colours, opacity = decoded.colours, decoded.opacity
    if _is_prepared(colours, opacity):
        pixels = colours[..., 0].astype(np.uint8)
        notes = ("28 x 28, light on dark: taken as it is",)
        return Picture(path, pixels, notes, white=decoded.white)
    notes = list(decoded.notes)
    if opacity.min() < 255:
        colours, ground = _laid_on_a_ground(colours, opacity)
        notes.append(f"transparent: composited on {ground}")
    background = _background(colours)
    distance = np.abs(colours - background).max(axis=2)
    bar = max(LEAST_DIFFERENCE, LEAST_SHARE * distance.max())
    garment = distance > bar
    if not garment.any():
        raise UserError(
            f"The picture '{path}' shows only its background; expected a "
            "garment that stands out from it: take a picture with more contrast."
        )
    intensity, note = _intensity(colours, background, distance, garment)
    notes.append(note)
    image = _shrunk(_trimmed(np.where(garment, intensity, 0), garment))
    doubts = _doubts(distance, garment)
    return Picture(path, _centred(image), tuple(notes), doubts, decoded.white)


def _doubts(distance: np.ndarray, garment: np.ndarray) -> tuple[str, ...]:
    doubts = []
    if distance.max() < LOW_CONTRAST:
        doubts.append("low contrast")
    if count_objects(garment) > 1:
        doubts.append("several objects")
    return tuple(doubts)


def count_objects(garment: np.ndarray) -> int:
    """Return how many separate objects a mask (h, w) shows.

    Parts far smaller than the largest, such as a heel or a strap, count for nothing,
    nor do gaps of a hundredth of the picture.
    """
    from scipy import ndimage

    height, width = garment.shape
    step = max(max(height, width) // 200, 1)
    mask = ndimage.binary_dilation(garment[::step, ::step], iterations=1)
    parts, count = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    return int((sizes > OBJECT_SHARE * sizes.max()).sum()) if count else 0


def _is_prepared(colours: np.ndarray, opacity: np.ndarray) -> bool:
    """Whether a picture has the data set's form: 28 x 28, grey, light on dark."""
    if colours.shape[:2] != IMAGE_SHAPE[:2] or opacity.min() < 255:
        return False
    border = _border(colours)
    grey = (colours == colours[..., :1]).all()
    return bool(grey and (border < DARK).sum() > (border >= WHITE).sum())


def read_grey(
    path: str | os.PathLike, white: int | None = None
) -> tuple[np.ndarray, int | None]:
    """Return a picture as it is, grey, float64 (h, w), 0 to 255; transparent is 0.

    With it what was taken for white, of a picture of more than 8 bits; `white` as for
    `read_picture`. Raises `UserError` for a file that is missing or no picture, and for
    black on transparent, of which nothing is seen.
    """
    decoded = decode(Path(path), white)
    grey = decoded.colours @ LUMINANCE * (decoded.opacity / 255)
    if np.ptp(decoded.opacity) and not grey.any():
        raise UserError(
            f"The picture '{path}' is black on a transparent ground, which is black "
            "too; expected one that is seen: --resize predict puts such on white."
        )
    return grey, decoded.white


def _laid_on_a_ground(
    colours: np.ndarray, opacity: np.ndarray
) -> tuple[np.ndarray, str]:
    share = opacity[..., None] / 255
    grey = (colours @ LUMINANCE * opacity).sum() / max(opacity.sum(), 1)
    ground, name = (0, "black") if grey > PALE else (255, "white")
    return colours * share + ground * (1 - share), name


def _background(colours: np.ndarray) -> np.ndarray:
    """Return the commonest colour of the border: the median of each channel."""
    return np.median(_border(colours), axis=0)


def _border(colours: np.ndarray) -> np.ndarray:
    edges = (colours[0], colours[-1], colours[:, 0], colours[:, -1])
    return np.concatenate(edges)


def _intensity(colours, background, distance, garment) -> tuple[np.ndarray, str]:
    """Return grey values with the background at 0, up to 255, and what was done."""
    ground = float(background @ LUMINANCE)
    difference = colours @ LUMINANCE - ground
    seen = np.abs(difference[garment]).mean()
    if seen < 0.5 * distance[garment].mean():
        return distance, "separated from its background by colour"
    if difference[garment].mean() < 0:
        # Inverted, so that a white background becomes 0.
        return -difference * 255 / ground, "dark on light: inverted"
    return difference * 255 / (255 - ground), "light on dark: kept"


def _trimmed(image: np.ndarray, garment: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(garment.any(axis=1)), garment.any(axis=0)
    columns = np.flatnonzero(columns)
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _shrunk(image: np.ndarray) -> np.ndarray:
    """Return the image with its longest side at 28 pixels, float64."""
    from PIL import Image

    height, width = image.shape
    scale = SIDE / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    # Shrinking averages areas; enlarging interpolates.
    kind = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    grey = Image.fromarray(np.clip(image, 0, 255).astype(np.float32))
    return np.asarray(grey.resize(size, kind), np.float64)


def _centred(image: np.ndarray) -> np.ndarray:
    """Put the image on the canvas, its centre of mass as near the middle as it fits."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    total = max(image.sum(), 1e-9)
    corner = []
    for axis, length in enumerate(image.shape):
        places = np.arange(length) + 0.5
        centre = (image.sum(axis=1 - axis) * places).sum() / total
        # Without its last digits: what is symmetric has its centre at a half.
        offset = round(SIDE / 2 - centre, 6)
        corner.append(int(np.clip(round(offset), 0, SIDE - length)))
    top, left = corner
    height, width = image.shape
    canvas[top : top + height, left : left + width] = image.round()
    return canvas
