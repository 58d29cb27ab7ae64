"""Changes of the gradients before the optimizer applies them, on any backend."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
from keras import layers, ops

from fmkeras.keras_internals import layers_within


@dataclass(frozen=True)
class GradientRules:
    """Changes of the gradients; by default none.

    Attributes:
        centralise: subtract from the gradient of each kernel its mean over all axes
            but that of the outputs (Yong et al., arXiv 2004.01461).
        norm_bias_rate: factor of the gradients of batch normalization's offsets. With
            SGD it multiplies their learning rate, while L2 decay keeps its strength,
            as in airbench (Jordan, arXiv 2404.00498).
    """

    centralise: bool = False
    norm_bias_rate: float = 1.0

    def __bool__(self) -> bool:
        return self != GradientRules()

    def apply(self, gradients: Sequence, model: keras.Model) -> Sequence:
        """Return the gradients of the loss for the model's trainable variables.

        To be called before decay is added to them.
        """
        if not self:
            return gradients
        axes, offsets = _summed_axes(model), _norm_offsets(model)
        changed = []
        pairs = zip(gradients, model.trainable_variables, strict=True)
        for gradient, variable in pairs:
            if self.centralise and id(variable) in axes:
                mean = ops.mean(gradient, axis=axes[id(variable)], keepdims=True)
                gradient = gradient - mean
            if id(variable) in offsets:
                gradient = gradient * self.norm_bias_rate
            changed.append(gradient)
        return changed


def depthwise_kernels(model: keras.Model) -> list[keras.Variable]:
    """Return the kernels of which each input channel has its own, within any layer."""
    found = []
    for layer in layers_within(model):
        if isinstance(layer, (layers.DepthwiseConv1D, layers.DepthwiseConv2D)):
            found.append(layer.kernel)
        elif isinstance(layer, (layers.SeparableConv1D, layers.SeparableConv2D)):
            found.append(layer.depthwise_kernel)
    return found


def _summed_axes(model) -> dict[int, tuple[int, ...]]:
    """Return for each kernel the axes that lead to one output unit."""
    # A depthwise kernel has as many outputs as (channels, multiplier).
    depthwise = {id(kernel) for kernel in depthwise_kernels(model)}
    return {
        id(variable): tuple(
            range(len(variable.shape) - (2 if id(variable) in depthwise else 1))
        )
        for variable in model.trainable_variables
        if len(variable.shape) > 1
    }


def _norm_offsets(model) -> set[int]:
    return {
        id(layer.beta)
        for layer in layers_within(model)
        if isinstance(layer, layers.BatchNormalization) and layer.center
    }
