"""2x2 pooling with stride 2 in elementwise operations, which Inductor fuses.

In the backward pass of torch's own pooling, Inductor's code searches each window once
for every pixel, one value at a time. Here a window is four slices of the images:
elementwise operations, vectorized and fused with the layers around them. Images are
(n, height, width, channels); an odd last row or column is dropped.
"""

import torch

from fmkeras.engines.torch.batch_norm import batch_moments, sum_of_channels


def max_pool(x):
    """Return the maximum of each 2x2 window; of equal pixels the first is chosen."""
    return _MaxPool.apply(x)


def average_pool(x):
    """Return the mean of each 2x2 window."""
    return _AveragePool.apply(x)


def norm_max_pool(x, gamma, beta, epsilon):
    """Batch-normalize, then max-pool images of even height and width.

    Returns the pooled images, and the mean and variance of the batch, (channels,) each.
    """
    return _NormMaxPool.apply(x, gamma, beta, epsilon)


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        maximum, winner = _maximum(x)
        ctx.save_for_backward(winner)
        ctx.shape = x.shape
        return maximum

    @staticmethod
    def backward(ctx, gradient):
        (winner,) = ctx.saved_tensors
        return crop_or_pad(scatter_to_max(gradient, winner), ctx.shape)


class _NormMaxPool(torch.autograd.Function):
    """Batch normalization and max pooling with one backward pass.

    Each window has a gradient for one pixel only, so the sums over pixels become sums
    over windows. The normalized images are not stored.
    """

    @staticmethod
    def forward(ctx, x, gamma, beta, epsilon):
        mean, centred, variance = batch_moments(x.to(gamma.dtype))
        inverse = torch.rsqrt(variance + epsilon)
        normalized = torch.addcmul(beta, centred, gamma * inverse).to(x.dtype)
        maximum, winner = _maximum(normalized)
        ctx.save_for_backward(x, mean, gamma, inverse, winner)
        ctx.mark_non_differentiable(mean, variance)
        return maximum, mean, variance

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


def _maximum(x):
    """Return the maximum of each window and its index in the window, 0 to 3.

    The index has the dtype of `x`.
    """
    first, second, third, fourth = window_pixels(x)
    top, bottom = torch.maximum(first, second), torch.maximum(third, fourth)

    def index(value):
        # In the dtype of the images: comparing with another one needs conversions.
        return torch.full((), value, dtype=x.dtype, device=x.device)

    winner = torch.where(
        bottom > top,
        torch.where(fourth > third, index(3), index(2)),
        torch.where(second > first, index(1), index(0)),
    )
    return torch.maximum(top, bottom), winner


def scatter_to_max(x, winner):
    """Return (n, h, 2, w, 2, c) windows: `x` at the winner's index, zeros elsewhere."""
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
    """Reshape (n, h, w, c) to (n, h, 1, w, 1, c), to broadcast over windows."""
    return x[:, :, None, :, None, :]


def crop_or_pad(windows, shape):
    """Reshape (n, h, 2, w, 2, c) windows to images of `shape`, padded with zeros."""
    count, height, _, width, _, channels = windows.shape
    images = windows.reshape(count, 2 * height, 2 * width, channels)
    missing = shape[1] - 2 * height, shape[2] - 2 * width
    if missing == (0, 0):
        return images
    padding = (0, 0, 0, missing[1], 0, missing[0])
    return torch.nn.functional.pad(images, padding)
