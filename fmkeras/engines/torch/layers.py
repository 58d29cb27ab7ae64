"""Stock Keras layers as torch functions, without copies between memory layouts.

On torch Keras computes a layer from general operations: batch normalization from ten,
a convolution with copies to the layout that it expects. Here each of the layers that
image classifiers consist of is the one torch function that computes the same.

Images keep Keras's order, (n, height, width, channels). Permuted to torch's order, a
view, they have the memory layout that torch calls channels_last.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import torch
from keras import activations, layers
from torch.nn import functional

from fmkeras.engines.parallel.share import Share
from fmkeras.engines.torch import pooling
from fmkeras.engines.torch.batch_norm import NARROW, BatchNorm
from fmkeras.engines.torch.depthwise import depthwise_conv2d, pad_same
from fmkeras.engines.torch.dropout import draw_mask
from fmkeras.engines.torch.matmul import affine
from fmkeras.engines.torch.operations import convolve, dropout_mask
from fmkeras.engines.torch.small_maps import convolve_small_map, is_small_map


class Mode(NamedTuple):
    """How a forward pass runs.

    training: with the batch's statistics and dropout. fusible: in operations that
    Inductor fuses with those around them; for training on a CPU alone. share: the rows
    of the batch that are given, where another device computes others.
    """

    training: bool
    fusible: bool = False
    share: Share | None = None


_ACTIVATIONS = {
    activations.linear: lambda x: x,
    activations.relu: torch.relu,
    activations.sigmoid: torch.sigmoid,
}


def conv2d(
    layer: layers.Conv2D,
    x: torch.Tensor,
    mode: Mode,
    padding: tuple[int, int] | None = None,
    norm: layers.BatchNormalization | None = None,
    activate: bool = True,
) -> torch.Tensor:
    """Compute a Conv2D, with what other layers leave to it.

    Args:
        padding: zeros on either side of height and width, in place of the layer's.
        norm: a batch normalization at inference: a factor and a shift of each filter.
        activate: False where a later layer computes the activation.
    """
    if padding is None:
        padding = (0, 0)
        if layer.padding == "same" and _pads_symmetrically(layer):
            padding = tuple(size // 2 for size in layer.kernel_size)
        elif layer.padding == "same":
            x = pad_same(x, layer.kernel_size, layer.strides)
    kernel = layer.kernel.value
    bias = layer.bias.value if layer.use_bias else None
    if norm is not None:
        kernel, bias = _fold_norm(kernel, bias, norm)
    kernel = kernel.to(x.dtype)
    bias = None if bias is None else bias.to(x.dtype)
    if mode.fusible:
        x = convolve(x, kernel, bias, layer.strides, padding)
    elif is_small_map(x, kernel, layer.strides, padding):
        x = convolve_small_map(x, kernel, bias)
    else:
        kernel = kernel.permute(3, 2, 0, 1)
        x = functional.conv2d(_channels_first(x), kernel, bias, layer.strides, padding)
        x = _channels_last(x)
    return activation(layer, x) if activate else x


def _fold_norm(kernel, bias, norm):
    factor = torch.rsqrt(norm.moving_variance.value + norm.epsilon)
    factor = factor * norm.gamma.value if norm.scale else factor
    mean = norm.moving_mean.value
    bias = (-mean if bias is None else bias - mean) * factor
    return kernel * factor, bias + norm.beta.value if norm.center else bias


def activation(layer, x, mode=None):
    """Compute the activation of a Conv2D or Dense layer."""
    function = _ACTIVATIONS.get(layer.activation, layer.activation)
    return x if function is None else function(x)


def _dense(layer, x, mode):
    bias = layer.bias.value.to(x.dtype) if layer.use_bias else None
    return activation(layer, affine(x, layer.kernel.value.to(x.dtype), bias))


def _batch_norm(layer, x, mode):
    gamma = layer.gamma.value if layer.scale else None
    beta = layer.beta.value if layer.center else None
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    # Like Keras, torch computes in float32 whatever the types of input and output.
    if not (mode.training and layer.trainable):
        images = functional.batch_norm(
            _channels_first(x), mean, variance, gamma, beta, eps=layer.epsilon
        )
        return _channels_last(images)
    narrow = x.shape[-1] < NARROW and x.device.type == "cpu"
    if (narrow or mode.fusible) and layer.scale and layer.center:
        wide = x.to(mean.dtype)
        y, batch_mean, batch_variance = BatchNorm.apply(
            wide, gamma, beta, layer.epsilon, not mode.fusible
        )
        x = y.to(x.dtype)
    else:
        images, batch_mean, inverse = torch.native_batch_norm(
            _channels_first(x), gamma, beta, None, None, True, 0.0, layer.epsilon
        )
        x = _channels_last(images)
        # Keras averages the variance itself, torch that times n / (n - 1).
        batch_variance = inverse.detach().to(mean.dtype) ** -2 - layer.epsilon
    _update_averages(layer, batch_mean, batch_variance)
    return x


def norm_max_pool(layer, x, mode, norm: layers.BatchNormalization):
    """Compute a batch normalization in training and the 2x2 max pooling after it."""
    gamma, beta = norm.gamma.value, norm.beta.value
    x, *moments = pooling.norm_max_pool(x, gamma, beta, norm.epsilon)
    _update_averages(norm, *moments)
    return x


def _update_averages(layer, batch_mean, batch_variance):
    weight = 1.0 - layer.momentum
    for average, moment in (
        (layer.moving_mean, batch_mean),
        (layer.moving_variance, batch_variance),
    ):
        moment = moment.detach().to(average.value.dtype)
        average.assign(torch.lerp(average.value, moment, weight))


def _depthwise_conv2d(layer, x, mode):
    kernel = layer.kernel.value.to(x.dtype)
    bias = layer.bias.value.to(x.dtype) if layer.use_bias else None
    return activation(layer, depthwise_conv2d(layer, x, kernel, bias))


def _separable_conv2d(layer, x, mode):
    x = depthwise_conv2d(layer, x, layer.depthwise_kernel.value.to(x.dtype), None)
    bias = layer.bias.value.to(x.dtype) if layer.use_bias else None
    # A convolution of one pixel is a product of the channels.
    return activation(
        layer, affine(x, layer.pointwise_kernel.value[0, 0].to(x.dtype), bias)
    )


def _dropout(layer, x, mode):
    if not mode.training or layer.rate == 0:
        return x
    mask = dropout_mask if mode.fusible else draw_mask
    like = x.detach()
    if layer.noise_shape is not None:
        sizes = zip(layer.noise_shape, x.shape, strict=True)
        like = x.new_empty([size if given is None else given for given, size in sizes])
    if mode.share is None or len(like) != len(x):
        return x * mask(like, layer.rate)
    # An image has the same mask however many devices there are.
    like = x.new_empty([mode.share.count, *like.shape[1:]])
    return x * mask(like, layer.rate)[mode.share.rows]


def _relu(layer, x, mode):
    x = torch.relu(x)
    return x if layer.max_value is None else torch.clamp(x, max=layer.max_value)


def _rescaling(layer, x, mode):
    if layer.offset == 0:
        return x * layer.scale
    return torch.add(torch.full_like(x, layer.offset), x, alpha=layer.scale)


def _zero_padding(layer, x, mode):
    (top, bottom), (left, right) = layer.padding
    return functional.pad(x, (0, 0, left, right, top, bottom))


def _max_pooling(layer, x, mode):
    if mode.fusible and is_2x2_pool(layer):
        return pooling.max_pool(x)
    x = functional.max_pool2d(_channels_first(x), layer.pool_size, layer.strides)
    return _channels_last(x)


def _average_pooling(layer, x, mode):
    if mode.fusible and is_2x2_pool(layer):
        return pooling.average_pool(x)
    x = functional.avg_pool2d(_channels_first(x), layer.pool_size, layer.strides)
    return _channels_last(x)


def is_2x2_pool(layer) -> bool:
    """Return whether a pooling layer has windows of two by two, none overlapping."""
    return tuple(layer.pool_size) == tuple(layer.strides) == (2, 2)


def _channels_first(x):
    return x.permute(0, 3, 1, 2)


def _channels_last(x):
    return x.permute(0, 2, 3, 1)


def _is_plain_conv2d(layer) -> bool:
    return (
        layer.data_format == "channels_last"
        and layer.groups == 1
        and layer.dilation_rate == (1, 1)
        and layer.padding in ("valid", "same")
        and _has_plain_kernel(layer)
    )


def _pads_symmetrically(layer) -> bool:
    # torch pads both sides alike; "same" does so for odd kernels without strides.
    return layer.strides == (1, 1) and all(k % 2 for k in layer.kernel_size)


def _is_plain_depthwise(layer) -> bool:
    return layer.data_format == "channels_last" and layer.dilation_rate == (1, 1)


def _has_plain_kernel(layer) -> bool:
    return not layer.lora_enabled and layer.quantization_mode is None


def _is_plain_batch_norm(layer) -> bool:
    # Of the channels of images, which come last.
    axis = layer.axis if isinstance(layer.axis, int) else -1
    return (
        layer.input_spec.ndim == 4
        and axis in (-1, 3)
        and not (layer.synchronized or layer.renorm)
        and layer.dtype_policy.quantization_mode is None
    )


def _is_plain_pooling(layer) -> bool:
    return layer.padding == "valid" and layer.data_format == "channels_last"


def _has_channels_last(layer) -> bool:
    return layer.data_format == "channels_last"


def _is_plain_relu(layer) -> bool:
    return (layer.negative_slope, layer.threshold) == (0, 0)


def _has_two_numbers(layer) -> bool:
    numbers = layer.scale, layer.offset
    return all(isinstance(number, float | int) for number in numbers)


# Per type of layer: which of its settings the function covers, and the function.
_FUNCTIONS = {
    layers.Conv2D: (_is_plain_conv2d, conv2d),
    layers.DepthwiseConv2D: (_is_plain_depthwise, _depthwise_conv2d),
    layers.SeparableConv2D: (_is_plain_depthwise, _separable_conv2d),
    layers.Dense: (_has_plain_kernel, _dense),
    layers.BatchNormalization: (_is_plain_batch_norm, _batch_norm),
    layers.Dropout: (
        lambda layer: layer.seed is None,
        _dropout,
    ),
    layers.MaxPooling2D: (_is_plain_pooling, _max_pooling),
    layers.AveragePooling2D: (_is_plain_pooling, _average_pooling),
    layers.GlobalAveragePooling2D: (
        lambda layer: layer.data_format == "channels_last" and not layer.keepdims,
        lambda layer, x, mode: x.mean((1, 2)),
    ),
    layers.ReLU: (_is_plain_relu, _relu),
    layers.LeakyReLU: (
        lambda layer: True,
        lambda layer, x, mode: functional.leaky_relu(x, layer.negative_slope),
    ),
    layers.Rescaling: (_has_two_numbers, _rescaling),
    layers.ZeroPadding2D: (_has_channels_last, _zero_padding),
    layers.Flatten: (
        _has_channels_last,
        lambda layer, x, mode: x.reshape(x.shape[0], -1),
    ),
}


def torch_function(layer: keras.Layer) -> Callable | None:
    """Return the function of (layer, x, mode) that computes a layer.

    None for a subclass, for a type of layer that is not covered here, and for one with
    settings that are not. A layer that adds its outputs to the loss is Keras's own.
    """
    if getattr(layer, "activity_regularizer", None) is not None:
        return None
    covers, function = _FUNCTIONS.get(type(layer), (None, None))
    return function if covers is not None and covers(layer) else None
