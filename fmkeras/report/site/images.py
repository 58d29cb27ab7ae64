"""Small pictures for pages: as data inside them, and many on one sheet."""

import base64
import io
import os

import numpy as np

from fmkeras.files import replacing

TILES_ACROSS = 40


def picture_data(pixels: np.ndarray) -> str:
    """Return a PNG as a data: address; `pixels` are uint8 (h, w) or (h, w, 3)."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def write_sheet(images: np.ndarray, path: str | os.PathLike) -> None:
    """Write images, uint8 (n, h, w), side by side as one PNG, 40 to a row."""
    from PIL import Image

    count, height, width = images.shape
    rows = max(-(-count // TILES_ACROSS), 1)
    padded = np.zeros((rows * TILES_ACROSS, height, width), np.uint8)
    padded[:count] = images
    sheet = padded.reshape(rows, TILES_ACROSS, height, width).swapaxes(1, 2)
    with replacing(path) as temporary:
        Image.fromarray(sheet.reshape(rows * height, -1)).save(temporary, optimize=True)


def heat_picture(heat: np.ndarray, side: int = 112) -> str:
    """Return a map of values from 0 to 1, (h, w), as a picture: the brighter the more.

    The colours grow in brightness all along, so that grey prints read alike.
    """
    import matplotlib
    from PIL import Image

    grey = Image.fromarray(heat.astype(np.float32))
    large = np.asarray(grey.resize((side, side), Image.Resampling.BILINEAR))
    colours = matplotlib.colormaps["inferno"](np.clip(large, 0, 1))[..., :3]
    return picture_data((255 * colours).round().astype(np.uint8))


def filter_pictures(filters: np.ndarray, most: int = 64) -> list[str]:
    """Return filters, float (n, h, w), as pictures: grey is 0, white positive.

    One scale for all of them, so that they compare; the few largest weights are cut
    off at its ends.
    """
    scale = max(float(np.quantile(np.abs(filters), 0.995)), 1e-12)
    values = np.clip(filters[:most] / scale, -1, 1)
    shades = (127.5 + 127.5 * values).round().astype(np.uint8)
    return [picture_data(shade) for shade in shades]


def map_pictures(maps: np.ndarray, most: int = 64) -> list[str]:
    """Return feature maps, float (n, h, w), as pictures, each from black to white."""
    pictures = []
    for one in maps[:most]:
        span = max(float(one.max() - one.min()), 1e-12)
        shade = 255 * (one - one.min()) / span
        pictures.append(picture_data(shade.round().astype(np.uint8)))
    return pictures
