"""Custom torch operators, which Inductor calls without looking inside.

For a convolution Inductor would choose another memory layout, since it takes the height
of images (n, height, width, channels) for their channels; for oneDNN's matrix product
it has no gradient. Tensors here are contiguous, except kernels, which have the memory
layout of torch's layers.
"""

import torch

from fmkeras.engines.torch.dropout import draw_mask
from fmkeras.engines.torch.layout import match_layout

_library = torch.library.Library("fmkeras", "DEF")
_library.define("product(Tensor x, Tensor kernel, Tensor? bias=None) -> Tensor")
_library.define(
    "convolve(Tensor x, Tensor kernel, Tensor? bias, int[] strides, int[] padding)"
    " -> Tensor"
)
_library.define(
    "convolve_backward(Tensor gradient, Tensor x, Tensor kernel, int[] strides,"
    " int[] padding, bool[] wanted) -> (Tensor, Tensor, Tensor)"
)
_library.define(
    "dropout_mask(Tensor x, float rate) -> Tensor",
    tags=[torch.Tag.nondeterministic_seeded],
)


def product(x, kernel, bias=None):
    """Return x @ kernel + bias by oneDNN, for float32 x (n, inputs) on a CPU."""
    return torch.ops.fmkeras.product(x, kernel, bias)


def convolve(x, kernel, bias, strides, padding):
    """Convolve images (n, h, w, inputs) with a kernel (h, w, inputs, outputs)."""
    return _Convolution.apply(x, kernel, bias, list(strides), list(padding))


def dropout_mask(x, rate):
    """Return `draw_mask(x, rate)`, which Inductor would compute value by value."""
    return torch.ops.fmkeras.dropout_mask(x, rate)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, kernel, bias, strides, padding):
        ctx.save_for_backward(x, kernel)
        ctx.settings = strides, padding
        return torch.ops.fmkeras.convolve(x, kernel, bias, strides, padding)

    @staticmethod
    def backward(ctx, gradient):
        x, kernel = ctx.saved_tensors
        wanted = list(ctx.needs_input_grad[:3])
        gradients = torch.ops.fmkeras.convolve_backward(
            gradient.contiguous(), x, kernel, *ctx.settings, wanted
        )
        pairs = zip(gradients, wanted, strict=True)
        return *(g if needed else None for g, needed in pairs), None, None


@torch.library.impl(_library, "product", "CPU")
def _product(x, kernel, bias=None):
    linear = torch.ops.mkldnn._linear_pointwise
    return linear(x, kernel.t(), bias, "none", [], "")


@torch.library.register_fake("fmkeras::product", lib=_library)
def _fake_product(x, kernel, bias=None):
    return x.new_empty(x.shape[0], kernel.shape[1])


@torch.library.impl(_library, "convolve", "CPU")
def _convolve(x, kernel, bias, strides, padding):
    images, weights = x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1)
    images = torch.conv2d(images, weights, bias, strides, padding)
    return images.permute(0, 2, 3, 1).contiguous()


@torch.library.register_fake("fmkeras::convolve", lib=_library)
def _fake_convolve(x, kernel, bias, strides, padding):
    height, width = (
        (x.shape[axis + 1] + 2 * padding[axis] - kernel.shape[axis]) // strides[axis]
        + 1
        for axis in (0, 1)
    )
    return x.new_empty(x.shape[0], height, width, kernel.shape[3])


@torch.library.impl(_library, "convolve_backward", "CPU")
def _convolve_backward(gradient, x, kernel, strides, padding, wanted):
    to_x, to_kernel, to_bias = torch.ops.aten.convolution_backward(
        gradient.permute(0, 3, 1, 2),
        x.permute(0, 3, 1, 2),
        kernel.permute(3, 2, 0, 1),
        [kernel.shape[3]],
        strides,
        padding,
        [1, 1],
        False,
        [0, 0],
        1,
        wanted,
    )
    # A gradient that is not wanted is empty; no two results share memory.
    to_x = to_x.permute(0, 2, 3, 1).contiguous() if wanted[0] else x.new_empty(0)
    to_kernel = (
        match_layout(to_kernel.permute(2, 3, 1, 0), kernel)
        if wanted[1]
        else x.new_empty(0)
    )
    return to_x, to_kernel, to_bias if wanted[2] else x.new_empty(0)


@torch.library.register_fake("fmkeras::convolve_backward", lib=_library)
def _fake_convolve_backward(gradient, x, kernel, strides, padding, wanted):
    return (
        x.new_empty(x.shape if wanted[0] else 0),
        torch.empty_like(kernel) if wanted[1] else x.new_empty(0),
        x.new_empty(kernel.shape[3] if wanted[2] else 0),
    )


@torch.library.impl(_library, "dropout_mask", "CPU")
def _dropout_mask(x, rate):
    return draw_mask(x, rate)


@torch.library.register_fake("fmkeras::dropout_mask", lib=_library)
def _fake_dropout_mask(x, rate):
    return torch.empty_like(x)
