"""Images translated, flipped and rotated by torch's `grid_sample`."""

import numpy as np
import torch

from fmkeras.labels import IMAGE_SHAPE

HEIGHT, WIDTH = IMAGE_SHAPE[:2]


def sample_images(images, maps, bilinear: bool):
    """Return `datasets.augmentation.sample_images` in float32, without `gather`."""
    # Source coordinates are linear in the six parameters of an affine map, so one
    # matrix product computes those of all pixels.
    basis = torch.tensor(_coordinates(), device=maps.device)
    centre = torch.full((), -1.0, device=maps.device)
    places = torch.addmm(centre, maps, basis).view(-1, HEIGHT, WIDTH, 2)
    return torch.nn.functional.grid_sample(
        images.to(torch.float32).unsqueeze(1),
        places,
        mode="bilinear" if bilinear else "nearest",
        padding_mode="zeros",
        align_corners=True,
    ).squeeze(1)


def _coordinates() -> np.ndarray:
    """Return what each parameter of a map adds to (x, y), float32 (6, 28 * 28 * 2).

    In the units of `grid_sample`: the centres of the first and last pixel are -1 and 1.
    The offset of -1 is not included.
    """
    y, x = np.indices((HEIGHT, WIDTH)) + 0.0
    place = np.zeros((6, HEIGHT, WIDTH, 2), np.float32)
    place[:3, ..., 1] = np.stack([y, x, np.ones_like(x)]) * 2 / (HEIGHT - 1)
    place[3:, ..., 0] = np.stack([y, x, np.ones_like(x)]) * 2 / (WIDTH - 1)
    return place.reshape(6, -1)
