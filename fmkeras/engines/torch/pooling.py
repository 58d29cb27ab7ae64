"""Pooling of two by two pixels in the simplest operations, for a compiler to fuse.

What Inductor makes of torch's own pooling searches each window again for each pixel of
the gradient, number by number. Here a window is four slices of the images, so that all
is the same operation on many numbers at once, together with the layers around it.
Images are (n, height, width, channels); a last row or column without a partner is left
out.
"""

import torch

from fmkeras.engines.torch.batch_norm import batch_moments, sum_of_channels


def max_pool(x):
    """Return the largest of each two by two pixels; the first of equals is taken."""
    return _MaxPool.apply(x)


def average_pool(x):
    """Return the mean of each two by two pixels."""
    return _AveragePool.apply(x)


def norm_max_pool(x, gamma, beta, epsilon):
    """Normalise by the batch, then pool; height and width are even.

    Returns the pooled images, and the batch's mean and variance, (channels,).
    """
    return _NormMaxPool.apply(x, gamma, beta, epsilon)


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        largest, winner = _largest(x)
        ctx.save_for_backward(winner)
        ctx.shape = x.shape
        return largest

    @staticmethod
    def backward(ctx, gradient):
        (winner,) = ctx.saved_tensors
        return crop_or_pad(scatter_to_max(gradient, winner), ctx.shape)


class _NormMaxPool(torch.autograd.Function):
    """Each gradient goes to one pixel, so that sums over pixels are sums over windows.

    The normalised images are nowhere stored.
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, epsilon):
        mean, centred, variance = batch_moments(x.to(gamma.dtype))
        inverse = torch.rsqrt(variance + epsilon)
        normalised = torch.addcmul(beta, centred, gamma * inverse).to(x.dtype)
        largest, winner = _largest(normalised)
        ctx.save_for_backward(x, mean, gamma, inverse, winner)
        ctx.mark_non_differentiable(mean, variance)
        return largest, mean, variance

    @staticmethod
    def backward(ctx, gradient, *_):
        x, mean, gamma, inverse, winner = ctx.saved_tensors
        count = x.numel() // x.shape[-1]
        wide = gradient.to(gamma.dtype)
        centred = x.to(gamma.dtype) - mean
        first, second, third, fourth = window_pixels(centred)
        at_winner = torch.where(
            winner < 2,
            torch.where(winner < 1, first, second),
            torch.where(winner < 3, third, fourth),
        )
        to_beta = sum_of_channels(wide)
        to_gamma = sum_of_channels(wide * at_winner) * inverse
        slope = gamma * inverse
        level, pull = to_beta / -count, inverse * to_gamma / -count
        windows = centred.view(_windows(x.shape))
        result = scatter_to_max(wide, winner) + torch.addcmul(level, windows, pull)
        result = (slope * result).to(x.dtype)
        return result.view(x.shape), to_gamma, to_beta, None


class _AveragePool(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        first, second, third, fourth = window_pixels(x)
        ctx.shape = x.shape
        return (first + second + third + fourth) * 0.25

    @staticmethod
    def backward(ctx, gradient):
        shares = expand_window(gradient * 0.25)
        count, height, _, width, _, channels = shares.shape
        shares = shares.expand(count, height, 2, width, 2, channels)
        return crop_or_pad(shares, ctx.shape)


def _largest(x):
    """Return the largest pixel of each window, and its number, 0 to 3, of x's type."""
    first, second, third, fourth = window_pixels(x)
    top, bottom = torch.maximum(first, second), torch.maximum(third, fourth)

    def number(value):
        # Of the images' own type: to compare other types costs conversions.
        return torch.full((), value, dtype=x.dtype, device=x.device)

    winner = torch.where(
        bottom > top,
        torch.where(fourth > third, number(3), number(2)),
        torch.where(second > first, number(1), number(0)),
    )
    return torch.maximum(top, bottom), winner


def scatter_to_max(x, winner):
    """Return windows, (n, h, 2, w, 2, c), of x at the winner's place and zeros."""
    places = torch.arange(4, dtype=winner.dtype, device=winner.device)
    won = expand_window(winner) == places.view(1, 1, 2, 1, 2, 1)
    return torch.where(
        won, expand_window(x), torch.zeros((), dtype=x.dtype, device=x.device)
    )


def _windows(shape) -> tuple[int, ...]:
    count, height, width, channels = shape
    return count, height // 2, 2, width // 2, 2, channels


def window_pixels(x) -> list[torch.Tensor]:
    """Return the four pixels of each window, each (n, height / 2, width / 2, c)."""
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return [x[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]


def expand_window(x):
    """Turn (n, h, w, c) to (n, h, 1, w, 1, c), to go with each pixel of a window."""
    return x[:, :, None, :, None, :]


def crop_or_pad(windows, shape):
    """Turn (n, h, 2, w, 2, c) to images of `shape`, zero where no window was."""
    count, height, _, width, _, channels = windows.shape
    images = windows.reshape(count, 2 * height, 2 * width, channels)
    missing = shape[1] - 2 * height, shape[2] - 2 * width
    if missing == (0, 0):
        return images
    padding = (0, 0, 0, missing[1], 0, missing[0])
    return torch.nn.functional.pad(images, padding)
