"""Stock Keras layers in torch's own fused functions, without copies between layouts.

Keras computes a layer on torch from general operations: batch normalisation from ten,
a convolution with copies to the layout it expects. Here the layers that image
classifiers are made of run as the one torch function that computes the same. Images
stay as Keras has them, (n, height, width, channels); turned to torch's order without
a copy they lie in the layout it calls channels last. Any other layer, or a layer with
options that are not handled here, is Keras's own.
"""

from collections.abc import Callable
from functools import partial

import keras
import torch
from keras import activations, layers
from torch.nn import functional

from fmkeras.engines.torch_norm import NARROW, NarrowNorm

_ACTIVATIONS = {
    activations.linear: lambda x: x,
    activations.relu: torch.relu,
    activations.sigmoid: torch.sigmoid,
}


class TorchForward:
    """The outputs of a model, computed layer by layer.

    To be called where a `keras.StatelessScope` says what the variables hold: moving
    averages are assigned there.
    """

    def __init__(self, model: keras.Model) -> None:
        # A sequential model holds the functional one that it is.
        self.model = model = getattr(model, "_functional", None) or model
        self._padding = _paddings_of_convolutions(model)
        self._norms = _norms_of_convolutions(model)
        self._folded = set(self._norms.values())

    def __call__(self, images: torch.Tensor, training: bool) -> torch.Tensor:
        """Return the outputs for images, float32 (n, height, width, channels)."""
        if not hasattr(self.model, "_run_through_graph"):
            return self.model(images, training=training)
        return self.model._run_through_graph(
            [images], operation_fn=lambda layer: self._lower(layer, training)
        )

    def _lower(self, layer, training: bool) -> Callable:
        if isinstance(layer, keras.Model):
            inner = TorchForward(layer)
            return lambda x, **arguments: inner(x, training)
        own = partial(_call, layer, training)
        padding = self._padding.get(layer)
        norm = None if training else self._norms.get(layer)
        handled, function = _LOWERED.get(type(layer), (None, None))
        if padding and isinstance(layer, layers.ZeroPadding2D):
            function = _nothing
        elif layer in self._folded and not training:
            function = _nothing
        elif padding or norm:
            function = partial(_convolve, padding=padding, norm=norm)
        elif handled is None or not handled(layer):
            return own

        def call(x, **arguments):
            # What is said here of training goes before what the model says.
            arguments.pop("training", None)
            if any(value is not None for value in arguments.values()):
                return own(x, **arguments)
            return function(layer, _cast(x, layer), training)

        return call


def _call(layer, train, *inputs, **arguments):
    if layer._call_has_training_arg:
        arguments["training"] = train
    return layer(*inputs, **arguments)


def _nothing(layer, x, training):
    return x


def lower_loss(loss) -> Callable:
    """Return the mean loss of targets (n, classes) and logits (n, classes)."""
    stock = (
        type(loss) is keras.losses.CategoricalCrossentropy
        and loss.from_logits
        and loss.axis == -1
        and loss.reduction == "sum_over_batch_size"
    )
    if not stock:
        return loss

    def cross_entropy(targets, logits):
        if loss.label_smoothing:
            spread = loss.label_smoothing / targets.shape[-1]
            targets = targets * (1 - loss.label_smoothing) + spread
        products = targets * functional.log_softmax(logits, -1)
        return products.sum() * (-1.0 / len(targets))

    return cross_entropy


def _paddings_of_convolutions(model) -> dict:
    """Return what each convolution pads by itself, in place of the layer before it.

    Holds those layers too, which then have nothing to do.
    """
    found = {}
    for layer in _inner_layers(model):
        if not isinstance(layer, layers.ZeroPadding2D):
            continue
        (top, bottom), (left, right) = layer.padding
        readers = [node.operation for node in layer._outbound_nodes]
        if (top, left) == (bottom, right) and all(
            type(reader) is layers.Conv2D
            and _plain_convolution(reader)
            and reader.padding == "valid"
            and len(reader._inbound_nodes) == 1
            for reader in readers
        ):
            found |= dict.fromkeys([layer, *readers], (top, left))
    return found


def _norms_of_convolutions(model) -> dict:
    """Return the normalisation behind each convolution that nothing else reads.

    At inference it is a factor and a shift of each filter: part of the convolution.
    """
    found = {}
    for layer in _inner_layers(model):
        readers = [node.operation for node in layer._outbound_nodes]
        if (
            type(layer) is layers.Conv2D
            and _plain_convolution(layer)
            and layer.activation is activations.linear
            and len(layer._inbound_nodes) == len(readers) == 1
            and type(readers[0]) is layers.BatchNormalization
            and _plain_normalization(readers[0])
            and len(readers[0]._inbound_nodes) == 1
        ):
            found[layer] = readers[0]
    return found


def _inner_layers(model) -> list:
    """Return the layers of a functional model whose outputs it does not give."""
    if not hasattr(model, "_run_through_graph"):
        return []
    last = [tensor._keras_history.operation for tensor in model.outputs]
    return [layer for layer in model.layers if layer not in last]


def _cast(x, layer):
    return x.to(getattr(torch, layer.compute_dtype))


def _weight(variable, x):
    return variable.value.to(x.dtype)


def _activated(layer, x):
    function = _ACTIVATIONS.get(layer.activation, layer.activation)
    return x if function is None else function(x)


def _plain_convolution(layer) -> bool:
    same = layer.padding == "same"
    symmetric = layer.strides == (1, 1) and all(k % 2 for k in layer.kernel_size)
    return (
        layer.data_format == "channels_last"
        and layer.groups == 1
        and layer.dilation_rate == (1, 1)
        and (layer.padding == "valid" or same and symmetric)
        and not layer.lora_enabled
        and layer.quantization_mode is None
    )


def _convolve(layer, x, training, padding=None, norm=None):
    if padding is None:
        same = layer.padding == "same"
        padding = tuple(size // 2 if same else 0 for size in layer.kernel_size)
    kernel = layer.kernel.value
    bias = layer.bias.value if layer.use_bias else None
    if norm is not None:
        factor = torch.rsqrt(norm.moving_variance.value + norm.epsilon)
        factor = factor * norm.gamma.value if norm.scale else factor
        shift = (
            -norm.moving_mean.value if bias is None else bias - norm.moving_mean.value
        )
        bias = shift * factor
        bias = bias + norm.beta.value if norm.center else bias
        kernel = kernel * factor
    kernel = kernel.to(x.dtype).permute(3, 2, 0, 1)
    bias = None if bias is None else bias.to(x.dtype)
    x = functional.conv2d(_channels_first(x), kernel, bias, layer.strides, padding)
    return _activated(layer, _channels_last(x))


def _dense(layer, x, training):
    kernel = _weight(layer.kernel, x)
    if layer.use_bias and x.ndim == 2:
        x = torch.addmm(_weight(layer.bias, x), x, kernel)
    else:
        x = torch.matmul(x, kernel)
        x = x + _weight(layer.bias, x) if layer.use_bias else x
    return _activated(layer, x)


def _batch_normalization(layer, x, training):
    gamma = layer.gamma.value if layer.scale else None
    beta = layer.beta.value if layer.center else None
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    kind = x.dtype
    # As Keras: in float32, whatever goes in and comes out.
    x = x.to(mean.dtype)
    if not (training and layer.trainable):
        images = functional.batch_norm(
            _channels_first(x), mean, variance, gamma, beta, eps=layer.epsilon
        )
        return _channels_last(images).to(kind)
    narrow = x.shape[-1] < NARROW and x.device.type == "cpu"
    if narrow and layer.scale and layer.center:
        x, batch_mean, batch_variance = NarrowNorm.apply(x, gamma, beta, layer.epsilon)
    else:
        images, batch_mean, inverse = torch.native_batch_norm(
            _channels_first(x), gamma, beta, None, None, True, 0.0, layer.epsilon
        )
        x = _channels_last(images)
        # Keras averages the variance itself, torch that times n / (n - 1).
        batch_variance = inverse.detach() ** -2 - layer.epsilon
    share = 1.0 - layer.momentum
    layer.moving_mean.assign(torch.lerp(mean, batch_mean.detach(), share))
    layer.moving_variance.assign(torch.lerp(variance, batch_variance, share))
    return x.to(kind)


def _dropout(layer, x, training):
    """Keep values where random bytes say so: quicker to draw than a float for each."""
    if not training or layer.rate == 0:
        return x
    # A byte is enough for rates such as 0.5; two err by less than 1e-5.
    kind, wide = torch.uint8, torch.int16
    if layer.rate * 256 % 1:
        kind, wide = torch.int16, torch.int32
    bits = 8 * kind.itemsize
    words = -(-x.numel() * bits // 64)
    words = torch.randint(-(2**63), 2**63 - 1, [words], device=x.device)
    drawn = words.view(kind)[: x.numel()].reshape(x.shape).to(wide)
    # 1 where the number drawn, counted from 0, is not among the lowest `dropped`.
    kept = 2**bits - round(layer.rate * 2**bits)
    mask = (drawn + (kept - torch.iinfo(kind).min)) >> bits
    return x * (mask.to(x.dtype) * (2**bits / kept))


def _rescaling(layer, x, training):
    if layer.offset == 0:
        return x * layer.scale
    return torch.add(torch.full_like(x, layer.offset), x, alpha=layer.scale)


def _max_pooling(layer, x, training):
    x = functional.max_pool2d(_channels_first(x), layer.pool_size, layer.strides)
    return _channels_last(x)


def _average_pooling(layer, x, training):
    x = functional.avg_pool2d(_channels_first(x), layer.pool_size, layer.strides)
    return _channels_last(x)


def _plain_pooling(layer) -> bool:
    return layer.padding == "valid" and layer.data_format == "channels_last"


def _plain_normalization(layer) -> bool:
    axis = layer.axis if isinstance(layer.axis, int) else -1
    return (
        len(layer.input.shape) == 4
        and axis in (-1, 3)
        and not (layer.synchronized or layer.renorm)
        and layer.dtype_policy.quantization_mode is None
    )


def _channels_first(x):
    return x.permute(0, 3, 1, 2)


def _channels_last(x):
    return x.permute(0, 2, 3, 1)


# Of each layer: whether it is handled as it is set, and how.
_LOWERED = {
    layers.Conv2D: (_plain_convolution, _convolve),
    layers.Dense: (
        lambda layer: not layer.lora_enabled and layer.quantization_mode is None,
        _dense,
    ),
    layers.BatchNormalization: (_plain_normalization, _batch_normalization),
    layers.Dropout: (
        lambda layer: (layer.noise_shape, layer.seed) == (None, None),
        _dropout,
    ),
    layers.MaxPooling2D: (_plain_pooling, _max_pooling),
    layers.AveragePooling2D: (_plain_pooling, _average_pooling),
    layers.GlobalAveragePooling2D: (
        lambda layer: layer.data_format == "channels_last" and not layer.keepdims,
        lambda layer, x, training: x.mean((1, 2)),
    ),
    layers.ReLU: (
        lambda layer: (
            (layer.max_value, layer.negative_slope, layer.threshold) == (None, 0, 0)
        ),
        lambda layer, x, training: torch.relu(x),
    ),
    layers.LeakyReLU: (
        lambda layer: True,
        lambda layer, x, training: functional.leaky_relu(x, layer.negative_slope),
    ),
    layers.Rescaling: (
        lambda layer: (
            isinstance(layer.scale, float | int)
            and isinstance(layer.offset, float | int)
        ),
        _rescaling,
    ),
    layers.Flatten: (
        lambda layer: layer.data_format == "channels_last",
        lambda layer, x, training: x.reshape(x.shape[0], -1),
    ),
}
