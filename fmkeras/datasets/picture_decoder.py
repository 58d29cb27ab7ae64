"""Picture files decoded with bounds: raster formats, regular files, in little memory.

A large picture is made smaller while it is decoded, where its format allows that, and
else right after, in its own few bytes a pixel: what follows works on floats.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmkeras.errors import UserError
from fmkeras.files.reading import open_regular, reason_of

# Formats that Pillow reads by itself, of one picture and no code; EPS would have it run
# Ghostscript.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".bmp", ".gif"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
# Pictures too, which are not read: each is named rather than passed over.
UNREAD_SUFFIXES = (
    *(".heic", ".heif", ".hif", ".jxl", ".jp2", ".psd", ".svg", ".eps", ".pdf"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw", ".ico", ".tga", ".xcf"),
)
# What is taken for a picture in a folder.
PICTURE_SUFFIXES = (*SUFFIXES, *UNREAD_SUFFIXES)
LARGEST_FILE = 1 << 30
MOST_PIXELS = 100_000_000
# Beyond so many pixels a picture is made smaller first: the result has 784.
ENOUGH_PIXELS = 4_000_000
ORIENTATION = 0x0112  # of EXIF: which way up the picture is
# Significant bits of the numbers of a picture of 16 bits, as cameras have them.
DEPTHS = (8, 10, 12, 14, 16)


@dataclass(frozen=True, eq=False)
class Decoded:
    """A picture's pixels.

    Attributes:
        colours: float64 (h, w, 3), 0 to 255.
        opacity: float64 (h, w), 0 to 255.
        notes: what was done to them that a user should know.
        white: the number that was taken for white, of a picture of more than 8 bits: by
            its brightest pixel the least of 1, 255, 1,023, 4,095, 16,383 and 65,535.
    """

    colours: np.ndarray
    opacity: np.ndarray
    notes: tuple[str, ...]
    white: int | None = None


class Unreadable(Exception):
    """A picture of a kind that is not read; the message says why."""


def decode(path: Path, white: int | None = None) -> Decoded:
    """Return the pixels of a picture file.

    `white` is that of a picture of more than 8 bits, where others of its kind tell it
    (see `Decoded`). Raises `UserError` for a file that is missing, no regular file or
    no picture, too large, or of numbers that are no brightness.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with open_regular(path, LARGEST_FILE) as file, warnings.catch_warnings():
            # Of a picture that is as large as a bomb: there is a limit of our own.
            warnings.simplefilter("ignore")
            with Image.open(file, formats=FORMATS) as picture:
                return _decode(path, picture, white)
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(
            f"There is no picture '{path}'; expected the path of one."
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"The file '{path}' cannot be read as a picture; "
            f"expected one of {', '.join(FORMATS)}: convert it to one of these."
        ) from error
    except Exception as error:  # Pillow's readers raise many exception types.
        raise UserError(
            f"The file '{path}' cannot be read as a picture ({reason_of(error)}); "
            f"expected one of {', '.join(FORMATS)}: convert it to one of these."
        ) from error


def _decode(path: Path, picture, white: int | None) -> Decoded:
    from PIL import ImageOps

    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise _too_large(path)
    if width * height > ENOUGH_PIXELS:
        # JPEG alone can: it decodes to a half, a quarter or an eighth of each side.
        scale = (ENOUGH_PIXELS / (width * height)) ** 0.5
        picture.draft(None, (int(width * scale), int(height * scale)))
    picture.load()
    # Of a TIFF it is gone by now: Pillow has turned it.
    orientation = picture.getexif().get(ORIENTATION)
    notes = ()
    if picture.mode.startswith("I") or picture.mode == "F":
        picture, notes, white = _eight_bits(picture, white)
    else:
        white = None
    picture = _made_smaller(picture)
    if orientation is not None:
        # What was made anew has lost it.
        picture.getexif()[ORIENTATION] = orientation
    picture = ImageOps.exif_transpose(picture)
    pixels = np.asarray(picture.convert("RGBA"), np.float64)
    return Decoded(pixels[..., :3], pixels[..., 3], notes, white)


def _made_smaller(picture):
    """Average blocks of pixels where there are far more of them than are of use."""
    width, height = picture.size
    if width * height <= ENOUGH_PIXELS:
        return picture
    share = width * height / ENOUGH_PIXELS
    # A long side first: a strip of one pixel's height keeps it.
    along = min(int(np.ceil(share**0.5)), min(width, height))
    factors = [along, along]
    longer = 0 if width >= height else 1
    factors[longer] = int(np.ceil(share / along))
    if picture.mode not in ("L", "RGB", "RGBA", "LA", "CMYK", "I", "F"):
        # Palettes and single bits have nothing to average.
        has_alpha = "transparency" in picture.info or picture.mode in ("PA", "RGBa")
        picture = picture.convert("RGBA" if has_alpha else "RGB")
    return picture.reduce(tuple(factors))


def _eight_bits(picture, white: int | None):
    """Return a picture of more than 8 bits with 8, what was done, and its white.

    Pillow's own conversion cuts off at 255.
    """
    from PIL import Image

    low, high = picture.getextrema()
    if picture.mode == "F":
        if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > 65_535:
            raise Unreadable(
                f"its numbers are {low:g} to {high:g}, not 0 to 1, 255 or 65,535"
            )
        top = 1 if high <= 1 else next(t for t in (255, 65_535) if high <= t)
        top = max(top, white or 0)
        note = f"floats of 0 to {top:,}: scaled"
    else:
        if low < 0 or high > 65_535:
            raise Unreadable(f"its numbers are {low} to {high}, not 0 to 65,535")
        bits = next(bits for bits in DEPTHS if max(high, white or 0) < 2**bits)
        top = 2**bits - 1
        note = "" if bits in (8, 16) else f"{bits} of 16 bits used: scaled by these"
    values = _smaller_values(picture).astype(np.float32)
    values *= np.float32(255 / top)
    image = Image.fromarray(np.minimum(values + np.float32(0.5), 255).astype(np.uint8))
    return image, (note,) if note else (), top


def _smaller_values(picture) -> np.ndarray:
    """Return a picture's numbers; of a large one, every so manieth each way."""
    width, height = picture.size
    step = max(int((width * height / ENOUGH_PIXELS) ** 0.5), 1)
    return np.asarray(picture)[:: min(step, height), :: min(step, width)]


def _too_large(path: Path) -> UserError:
    return UserError(
        f"The picture '{path}' is too large; expected at most {MOST_PIXELS:,} pixels: "
        "make it smaller."
    )
