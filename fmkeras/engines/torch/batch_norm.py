"""Batch normalization in training, as sums and products over rows of many pixels.

torch's channels_last kernel keeps one sum for each channel and thread. With few
channels the sums of all threads share a cache line, and two threads are several times
slower than one. Here a row holds many pixels: sums and products run along the row, and
the parts of a row that belong to one channel are added last. Inductor fuses the whole
with the layers around it and is given the images without rows.
"""

import math

import torch

NARROW = 16
_ROW = 1024


class BatchNorm(torch.autograd.Function):
    """Normalize (n, ..., channels) by the batch; also return its mean and variance.

    Called as `BatchNorm.apply(x, gamma, beta, epsilon, in_rows)`. Only the first result
    has a gradient.
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, epsilon, in_rows):
        rows, tiles = _rows(x) if in_rows else (x, 1)
        mean, centred, variance = batch_moments(rows, tiles)
        inverse = torch.rsqrt(variance + epsilon)
        slope = (gamma * inverse).repeat(tiles)
        ctx.save_for_backward(centred, gamma, inverse)
        ctx.in_rows = in_rows
        ctx.mark_non_differentiable(mean, variance)
        out = torch.addcmul(beta.repeat(tiles), centred, slope)
        return out.view(x.shape), mean, variance

    @staticmethod
    def backward(ctx, gradient, *_):
        centred, gamma, inverse = ctx.saved_tensors
        rows, tiles = _rows(gradient) if ctx.in_rows else (gradient, 1)
        count = gradient.numel() // gradient.shape[-1]
        to_beta = _by_channel(rows, tiles)
        to_gamma = _by_channel(rows * centred, tiles) * inverse
        slope = gamma * inverse
        level = (slope * to_beta / -count).repeat(tiles)
        pull = (slope * inverse * to_gamma / -count).repeat(tiles)
        result = torch.addcmul(level, centred, pull)
        result = result.addcmul(rows, slope.repeat(tiles))
        return result.view(gradient.shape), to_gamma, to_beta, None, None


def batch_moments(x: torch.Tensor, tiles: int = 1):
    """Return mean, centred values and variance by channel of (..., tiles * channels).

    Mean and variance are (channels,).
    """
    count = x.numel() * tiles // x.shape[-1]
    mean = _by_channel(x, tiles) / count
    centred = x - mean.repeat(tiles)
    variance = _by_channel(centred * centred, tiles) / count
    return mean, centred, variance


def _rows(x: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return `x` as (rows, tiles * channels), and tiles, the number of pixels in a row.

    The result is a view where `x` is contiguous.
    """
    channels = x.shape[-1]
    tiles = math.gcd(x.numel() // channels, 2 ** int(math.log2(_ROW / channels)))
    return x.reshape(-1, tiles * channels), tiles


def _by_channel(x: torch.Tensor, tiles: int) -> torch.Tensor:
    """Return the sum of each channel of (..., tiles * channels), (channels,)."""
    if x.ndim == 4:
        return sum_of_channels(x)
    return x.sum(0).view(tiles, -1).sum(0)


def sum_of_channels(x: torch.Tensor) -> torch.Tensor:
    """Return the sum of each channel of images (n, height, width, channels).

    Sums over each image, then over the images: shorter sums have smaller rounding
    errors.
    """
    return x.sum((1, 2)).sum(0)
