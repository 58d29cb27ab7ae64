"""Convolutions of small maps as one matrix product, on a CPU.

Of maps of at most 3 x 3 pixels with many channels oneDNN's convolutions, above all the
gradients of kernels, reach a fraction of the rate of a matrix product: most of all in
bfloat16 on processors that multiply tiles (AMX), somewhat in float32 too.
"""

import torch
from torch.nn import functional

_LARGEST = 3
_FEWEST_CHANNELS = 256


def is_small_map(x: torch.Tensor, kernel: torch.Tensor, strides, padding) -> bool:
    """Return whether `convolve_small_map` is the faster one for images (n, h, w, c)."""
    return (
        x.device.type == "cpu"
        and max(x.shape[1:3]) <= _LARGEST
        and tuple(kernel.shape[:2]) == (3, 3)
        and min(kernel.shape[2:]) >= _FEWEST_CHANNELS
        and tuple(strides) == tuple(padding) == (1, 1)
    )


def convolve_small_map(x: torch.Tensor, kernel: torch.Tensor, bias) -> torch.Tensor:
    """Convolve images (n, h, w, c) with a kernel (3, 3, c, filters), zeros around."""
    x = _SmallMap.apply(x, kernel)
    return x if bias is None else x + bias


class _SmallMap(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, kernel):
        ctx.save_for_backward(x, kernel)
        return (_windows(x) @ kernel.flatten(0, 2)).view(*x.shape[:3], -1)

    @staticmethod
    def backward(ctx, gradient):
        x, kernel = ctx.saved_tensors
        to_x = to_kernel = None
        if ctx.needs_input_grad[0]:
            # The same convolution with the kernel turned by half a turn.
            turned = kernel.flip(0, 1).transpose(2, 3)
            to_x = (_windows(gradient) @ turned.flatten(0, 2)).view_as(x)
        if ctx.needs_input_grad[1]:
            to_kernel = (_windows(x).t() @ gradient.flatten(0, 2)).view_as(kernel)
        return to_x, to_kernel


def _windows(x):
    """Return the 3 x 3 pixels around each pixel: (n * h * w, 9 * c)."""
    padded = functional.pad(x, (0, 0, 1, 1, 1, 1)).contiguous()
    image, row, column, _ = padded.stride()
    size = (*x.shape[:3], 3, 3, x.shape[3])
    return padded.as_strided(size, (image, row, column, row, column, 1)).reshape(
        x.shape[:3].numel(), -1
    )
