"""Depthwise convolutions, and the zeros of Keras's padding "same"."""

import math

import torch
from torch.nn import functional


def pad_same(
    x: torch.Tensor, kernel_size: tuple[int, int], strides: tuple[int, int]
) -> torch.Tensor:
    """Pad images (n, h, w, c) so that a convolution gives ceil(size / stride) pixels.

    An odd zero goes to the end, as in TensorFlow; torch's own padding is symmetric.
    """
    pads = []
    for size, kernel, stride in zip(x.shape[1:3], kernel_size, strides, strict=True):
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        pads = [total // 2, total - total // 2, *pads]
    return functional.pad(x, (0, 0, *pads)) if any(pads) else x


def depthwise_conv2d(layer, x: torch.Tensor, kernel, bias) -> torch.Tensor:
    """Convolve each channel of images (n, h, w, c) with filters of its own.

    `kernel` is Keras's, (height, width, c, multiplier); padding and strides are those
    of `layer`.
    """
    padding: tuple[int, int] = (0, 0)
    if layer.padding == "same":
        if layer.strides == (1, 1) and all(size % 2 for size in layer.kernel_size):
            padding = tuple(size // 2 for size in layer.kernel_size)
        else:
            x = pad_same(x, layer.kernel_size, layer.strides)
    height, width, channels, multiplier = kernel.shape
    weight = kernel.permute(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    images = functional.conv2d(
        x.permute(0, 3, 1, 2), weight, bias, layer.strides, padding, groups=channels
    )
    return images.permute(0, 2, 3, 1)
