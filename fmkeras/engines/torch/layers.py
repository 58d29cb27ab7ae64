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

from fmkeras.engines.torch import pooling
from fmkeras.engines.torch.batch_norm import NARROW, BatchNorm
from fmkeras.engines.torch.dropout import draw_mask
from fmkeras.engines.torch.fusion import (
    activations_after_pool,
    is_2x2_pool,
    makes_masks,
    norms_before_pool,
    norms_of_convolutions,
    paddings_of_convolutions,
    plain_convolution,
    plain_normalization,
    plain_pooling,
    plain_relu,
    takes_floats,
)
from fmkeras.engines.torch.matmul import affine
from fmkeras.engines.torch.operations import convolve, dropout_mask

_ACTIVATIONS = {
    activations.linear: lambda x: x,
    activations.relu: torch.relu,
    activations.sigmoid: torch.sigmoid,
}
# Layers whose functions here take `fusible` themselves.
_KNOWS_FUSIBLE = layers.BatchNormalization, layers.Conv2D, layers.Dropout


class TorchForward:
    """The outputs of a model, computed layer by layer.

    To be called where a `keras.StatelessScope` says what the variables hold: moving
    averages are assigned there.
    """

    def __init__(self, model: keras.Model, fusible: bool = False) -> None:
        """Take a model; `fusible` is for training steps that a compiler is to fuse."""
        # A sequential model holds the functional one that it is.
        self.model = model = getattr(model, "_functional", None) or model
        self.fusible = fusible
        # Masks travel on tensors, which the functions here would lose.
        self._masked = makes_masks(model)
        self._padding = paddings_of_convolutions(model)
        self._norms = norms_of_convolutions(model)
        self._folded = set(self._norms.values())
        self._later = activations_after_pool(model)
        self._postponed = set(self._later.values())
        self._norms_of_maxima = norms_before_pool(model)
        self._pooled = set(self._norms_of_maxima.values())

    def __call__(self, inputs, training: bool):
        """Return the outputs, in the model's structure.

        `inputs` are images, (n, height, width, channels), or what a model inside
        another is given.
        """
        if not hasattr(self.model, "_run_through_graph"):
            return self.model(inputs, training=training)
        # As `Functional.call` does: types and ranks as the model's own inputs have.
        flat = self.model._convert_inputs_to_tensors(keras.tree.flatten(inputs))
        outputs = self.model._run_through_graph(
            self.model._adjust_input_rank(flat),
            operation_fn=lambda layer: self._lower(layer, training),
        )
        single = isinstance(outputs, list | tuple) and len(outputs) == 1
        return outputs[0] if single else outputs

    def _lower(self, layer, training: bool) -> Callable:
        if isinstance(layer, keras.Model):
            inner = TorchForward(layer, self.fusible)
            return lambda x, **arguments: inner(x, training)
        if not isinstance(layer, keras.layers.Layer):
            # An operator or a function of `keras.ops`.
            return layer
        own = partial(_call, layer, training)
        if self._masked:
            return own
        padding = self._padding.get(layer)
        norm = None if training else self._norms.get(layer)
        later = self._later.get(layer)
        handled, function = _LOWERED.get(type(layer), (None, None))
        if padding and isinstance(layer, layers.ZeroPadding2D):
            function = _identity
        elif layer in self._folded and not training:
            function = _identity
        elif layer in self._postponed and not isinstance(layer, layers.Conv2D):
            function = _identity
        elif padding or norm or layer in self._postponed:
            function = partial(
                _convolve,
                padding=padding,
                norm=norm,
                activate=layer not in self._postponed,
            )
        elif handled is None or not handled(layer) or not takes_floats(layer):
            return own
        if training and self.fusible and function is not _identity:
            function = self._fusible(layer, function)

        def call(x, **arguments):
            # What is said here of training goes before what the model says.
            arguments.pop("training", None)
            if any(value is not None for value in arguments.values()):
                return own(x, **arguments)
            x = function(layer, _cast(x, layer), training)
            return x if later is None else _deferred_activation(later, x)

        return call

    def _fusible(self, layer, function) -> Callable:
        """Return instead of a function one that Inductor fuses with what is around."""
        if layer in self._pooled:
            return _identity
        if layer in self._norms_of_maxima:
            return partial(_norm_max_pooling, norm=self._norms_of_maxima[layer])
        if isinstance(layer, _KNOWS_FUSIBLE):
            return partial(function, fusible=True)
        simple = _FUSIBLE.get(type(layer))
        return simple if simple and is_2x2_pool(layer) else function


def _call(layer, train, *inputs, **arguments):
    if getattr(layer, "_call_has_training_arg", False):
        arguments["training"] = train
    return layer(*inputs, **arguments)


def _identity(layer, x, training):
    return x


def _deferred_activation(layer, x):
    """Return what a layer before a max pooling was to do to its outputs."""
    if isinstance(layer, layers.Conv2D):
        return _activated(layer, x)
    _, function = _LOWERED[type(layer)]
    return function(layer, x, training=None)


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


def _cast(x, layer):
    return x.to(getattr(torch, layer.compute_dtype))


def _weight(variable, x):
    return variable.value.to(x.dtype)


def _activated(layer, x):
    function = _ACTIVATIONS.get(layer.activation, layer.activation)
    return x if function is None else function(x)


def _convolve(
    layer, x, training, padding=None, norm=None, activate=True, fusible=False
):
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
    kernel = kernel.to(x.dtype)
    bias = None if bias is None else bias.to(x.dtype)
    if fusible:
        x = convolve(x, kernel, bias, layer.strides, padding)
    else:
        kernel = kernel.permute(3, 2, 0, 1)
        x = functional.conv2d(_channels_first(x), kernel, bias, layer.strides, padding)
        x = _channels_last(x)
    return _activated(layer, x) if activate else x


def _dense(layer, x, training):
    bias = _weight(layer.bias, x) if layer.use_bias else None
    return _activated(layer, affine(x, _weight(layer.kernel, x), bias))


def _batch_normalization(layer, x, training, fusible=False):
    gamma = layer.gamma.value if layer.scale else None
    beta = layer.beta.value if layer.center else None
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    # As Keras torch computes in float32 whatever goes in and comes out.
    if not (training and layer.trainable):
        images = functional.batch_norm(
            _channels_first(x), mean, variance, gamma, beta, eps=layer.epsilon
        )
        return _channels_last(images)
    narrow = x.shape[-1] < NARROW and x.device.type == "cpu"
    if (narrow or fusible) and layer.scale and layer.center:
        wide = x.to(mean.dtype)
        y, batch_mean, batch_variance = BatchNorm.apply(
            wide, gamma, beta, layer.epsilon, not fusible
        )
        x = y.to(x.dtype)
    else:
        images, batch_mean, inverse = torch.native_batch_norm(
            _channels_first(x), gamma, beta, None, None, True, 0.0, layer.epsilon
        )
        x = _channels_last(images)
        # Keras averages the variance itself, torch that times n / (n - 1).
        batch_variance = inverse.detach().to(mean.dtype) ** -2 - layer.epsilon
    _move_averages(layer, batch_mean, batch_variance)
    return x


def _norm_max_pooling(layer, x, training, norm):
    gamma, beta = norm.gamma.value, norm.beta.value
    x, *moments = pooling.norm_max_pool(x, gamma, beta, norm.epsilon)
    _move_averages(norm, *moments)
    return x


def _move_averages(layer, batch_mean, batch_variance):
    share = 1.0 - layer.momentum
    for average, moment in (
        (layer.moving_mean, batch_mean),
        (layer.moving_variance, batch_variance),
    ):
        moment = moment.detach().to(average.value.dtype)
        average.assign(torch.lerp(average.value, moment, share))


def _dropout(layer, x, training, fusible=False):
    if not training or layer.rate == 0:
        return x
    mask = dropout_mask if fusible else draw_mask
    return x * mask(x.detach(), layer.rate)


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


def _channels_first(x):
    return x.permute(0, 3, 1, 2)


def _channels_last(x):
    return x.permute(0, 2, 3, 1)


# Of each layer: whether it is handled as it is set, and how.
_LOWERED = {
    layers.Conv2D: (plain_convolution, _convolve),
    layers.Dense: (
        lambda layer: not layer.lora_enabled and layer.quantization_mode is None,
        _dense,
    ),
    layers.BatchNormalization: (plain_normalization, _batch_normalization),
    layers.Dropout: (
        lambda layer: (layer.noise_shape, layer.seed) == (None, None),
        _dropout,
    ),
    layers.MaxPooling2D: (plain_pooling, _max_pooling),
    layers.AveragePooling2D: (plain_pooling, _average_pooling),
    layers.GlobalAveragePooling2D: (
        lambda layer: layer.data_format == "channels_last" and not layer.keepdims,
        lambda layer, x, training: x.mean((1, 2)),
    ),
    layers.ReLU: (
        plain_relu,
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
# Of those which Inductor makes little of, the same in simpler operations.
_FUSIBLE = {
    layers.MaxPooling2D: lambda layer, x, training: pooling.max_pool(x),
    layers.AveragePooling2D: lambda layer, x, training: pooling.average_pool(x),
}
