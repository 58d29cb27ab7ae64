"""Batch normalisation in sums and products, of whole rows of numbers where it helps.

torch's own kernel for channels last adds up each channel in one cell for each thread.
With few channels the cells of all threads share a line of the cache, and two threads
are several times slower than one. Here a row holds many pixels, so that sums and
products run along the row; what belongs to one channel is added up last. A compiler,
which fuses all of it with the layers around, takes the images as they are.
"""

import math

import torch

NARROW = 16
_ROW = 1024


class BatchNorm(torch.autograd.Function):
    """Normalise (n, ..., channels) by the batch; also give its mean and variance.

    Called as `BatchNorm.apply(x, gamma, beta, epsilon, in_rows)`; gradients flow
    through the first result alone.
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
    """Return mean, distances from it, and variance of (..., tiles * channels)."""
    count = x.numel() * tiles // x.shape[-1]
    mean = _by_channel(x, tiles) / count
    centred = x - mean.repeat(tiles)
    variance = _by_channel(centred * centred, tiles) / count
    return mean, centred, variance


def _rows(x: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return (rows, tiles * channels), a view where `x` is contiguous, and tiles."""
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

    First over each image, then over images: shorter sums round less.
    """
    return x.sum((1, 2)).sum(0)
