"""Mixup and CutMix: training images mixed with others of the batch, labels likewise.

Each image is mixed with the one before it in the batch, the first with the last: the
order of the images is random, so that is a random pairing. A share or a rectangle of
its own belongs to each image.
"""

import numpy as np
from keras import ops

from fmkeras.labels import IMAGE_SHAPE

HEIGHT, WIDTH = IMAGE_SHAPE[:2]
# Columns of a row of params: the share of the image itself, then the rectangle that
# the other image fills, (top, left, bottom, right).
NUM_MIXING = 5


def draw_mixing(generator, count: int, mixup: float, cutmix: float) -> np.ndarray:
    """Return how each of `count` images is mixed, (count, 5).

    `mixup` and `cutmix` are the alphas of their Beta distributions, 0 for none. With
    both, each image is mixed one way or the other with equal chances.
    """
    params = np.zeros((count, NUM_MIXING))
    params[:, 0] = 1.0
    cut = generator.random(count) < (0.5 if mixup and cutmix else float(cutmix > 0))
    if mixup:
        shares = generator.beta(mixup, mixup, count)
        params[~cut, 0] = shares[~cut]
    if cutmix:
        # A rectangle of the image's own proportions around any pixel, cut off at
        # the border; the share is what is left of the image itself.
        side = np.sqrt(1 - generator.beta(cutmix, cutmix, count))
        corners = []
        for size in (HEIGHT, WIDTH):
            half = np.floor(size * side) / 2
            centre = generator.integers(0, size, count)
            corners.append(np.clip(np.floor(centre - half), 0, size))
            corners.append(np.clip(np.floor(centre + half), 0, size))
        top, bottom, left, right = corners
        share = 1 - (bottom - top) * (right - left) / (HEIGHT * WIDTH)
        rows = np.stack([share, top, left, bottom, right], axis=1)
        params[cut] = rows[cut]
    return params


def mix(images, targets, params):
    """Return mixed images (n, 28, 28) and targets (n, classes), float32.

    Zhang et al., arXiv 1710.09412 (mixup), and Yun et al., arXiv 1905.04899 (CutMix);
    `params`, (n, 5), as `draw_mixing` returns them.
    """
    share = params[:, :1]
    rows = ops.arange(HEIGHT, dtype="float32")
    columns = ops.arange(WIDTH, dtype="float32")
    top, left, bottom, right = (params[:, n, None] for n in range(1, NUM_MIXING))
    inside = ((rows >= top) & (rows < bottom))[:, :, None] & (
        (columns >= left) & (columns < right)
    )[:, None, :]
    # Where there is a rectangle it decides alone; without one the share does.
    cut = (bottom > top) & (right > left)
    kept = ops.where(cut[:, :, None], ops.cast(~inside, "float32"), share[:, :, None])
    others = ops.roll(images, 1, axis=0)
    mixed = kept * images + (1.0 - kept) * others
    return mixed, share * targets + (1.0 - share) * ops.roll(targets, 1, axis=0)
