"""The plan of a forward pass: which torch functions compute which layers of a model.

The plan is made from the model's graph alone, before anything is computed. Fusions:
zero padding into the convolution that reads it; batch normalization into the
convolution before it, at inference; ReLU and leaky ReLU after max pooling, which gives
the same values, since both are monotonic, from a quarter of the computation; and, in
training for Inductor, batch normalization with the max pooling after it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import torch
from keras import activations, layers

from fmkeras.engines.parallel.share import Share
from fmkeras.engines.torch.layers import (
    Mode,
    activation,
    is_2x2_pool,
    norm_max_pool,
    torch_function,
)
from fmkeras.keras_internals import (
    Call,
    ModelGraph,
    functional_graph,
    layers_within,
)


@dataclass
class LoweredLayer:
    """A layer and the torch function of (layer, x, mode, **options) that computes it.

    function: None where another layer's function computes this one too; its input is
    then its output. after: the function of an earlier layer, and that layer, computed
    on this one's output.
    """

    layer: keras.Layer
    mode: Mode
    function: Callable | None
    options: dict = field(default_factory=dict)
    after: tuple[Callable, keras.Layer] | None = None

    def __call__(self, x: torch.Tensor, **arguments) -> torch.Tensor:
        # The graph's arguments are None but for `training`, which the mode overrides,
        # as `training` of a call overrides it in Keras.
        x = x.to(getattr(torch, self.layer.compute_dtype))
        if self.function is not None:
            x = self.function(self.layer, x, self.mode, **self.options)
        if self.after is not None:
            function, layer = self.after
            x = function(layer, x, self.mode)
        return x


class FusionPlan:
    """How one model is computed in one mode; called with its inputs, it computes them.

    Attributes:
        lowered: {layer: LoweredLayer}; models inside the model have a plan of their
            own here.
        by_keras: the operations that Keras itself computes, those of inner models
            included: layers that are not lowered, operators and `keras.ops`. The whole
            model, where it has a `call` of its own.
    """

    def __init__(
        self,
        model: keras.Model,
        training: bool,
        fusible: bool = False,
        share: Share | None = None,
    ) -> None:
        """Plan a model's forward pass.

        Args:
            training: with batch statistics and dropout.
            fusible: in operations that Inductor fuses on a CPU; in training only.
            share: the rows of the batch that are computed; None for all.
        """
        self.model = model
        self.mode = Mode(training, training and fusible, share)
        self.lowered: dict[keras.Operation, LoweredLayer | FusionPlan] = {}
        self.by_keras: list[keras.Operation] = []
        functional = functional_graph(model)
        self.graph = None if functional is None else ModelGraph(functional)
        if self.graph is None:
            self.by_keras.append(model)
            return
        self._lower_each()
        _pad_in_convolutions(self)
        _fold_norms(self)
        _pool_before_activations(self)
        _normalize_in_pooling(self)

    def __call__(self, inputs, **arguments):
        """Return the model's outputs; further arguments are ignored, as of a layer.

        To be called in a `keras.StatelessScope` that holds the values of the
        variables: in training the moving averages are assigned there.

        Args:
            inputs: images (n, height, width, channels), or whatever an inner model is
                given.
        """
        if self.graph is None:
            return self.model(inputs, training=self.mode.training)
        return self.graph.run(inputs, self._function_of)

    def _lower_each(self) -> None:
        # A mask is an attribute of a tensor, which the functions here would lose.
        masked = any(map(_makes_masks, layers_within(self.model)))
        for operation, calls in self.graph.calls.items():
            lowered = None if masked else self._lower(operation, calls)
            if lowered is None:
                self.by_keras.append(operation)
            else:
                self.lowered[operation] = lowered

    def _lower(
        self, operation, calls: list[Call]
    ) -> "LoweredLayer | FusionPlan | None":
        if isinstance(operation, keras.Model):
            if any(call.argument is None for call in calls):
                return None
            inner = FusionPlan(operation, *self.mode)
            self.by_keras += inner.by_keras
            return inner if inner.graph is not None else None
        function = torch_function(operation)
        if function is None or not all(map(_takes_one_float_tensor, calls)):
            return None
        return LoweredLayer(operation, self.mode, function)

    def _function_of(self, operation: keras.Operation) -> Callable:
        if operation in self.lowered:
            return self.lowered[operation]
        if not isinstance(operation, keras.Layer):
            return operation

        def call(*inputs, **arguments):
            return operation(*inputs, **arguments | {"training": self.mode.training})

        return call

    def of_type(self, *kinds: type) -> list[LoweredLayer]:
        """Return the lowered layers of these types that are computed on their own."""
        return [
            lowered
            for layer, lowered in self.lowered.items()
            if type(layer) in kinds and lowered.function is not None
        ]

    def only_reader(self, layer: keras.Layer, *kinds: type) -> LoweredLayer | None:
        """Return the lowered layer that alone reads `layer`, if of these types."""
        reader = self.graph.only_reader(layer)
        return self.lowered.get(reader) if type(reader) in kinds else None


def _takes_one_float_tensor(call: Call) -> bool:
    # Keras's layers differ in what they make of whole numbers.
    tensor = call.argument
    return keras.utils.is_keras_tensor(tensor) and "float" in tensor.dtype


def _makes_masks(layer: keras.Layer) -> bool:
    return isinstance(layer, layers.Masking) or getattr(layer, "mask_zero", False)


def _pad_in_convolutions(plan: FusionPlan) -> None:
    """Let convolutions pad by themselves: torch's do, by as much on either side."""
    for padding in plan.of_type(layers.ZeroPadding2D):
        (top, bottom), (left, right) = padding.layer.padding
        readers = plan.graph.readers(padding.layer)
        if (top, left) != (bottom, right) or not readers:
            continue
        convolutions = [plan.lowered.get(reader) for reader in readers]
        if all(
            type(reader) is layers.Conv2D
            and convolution is not None
            and reader.padding == "valid"
            and len(plan.graph.calls[reader]) == 1
            for reader, convolution in zip(readers, convolutions, strict=True)
        ):
            padding.function = None
            for convolution in convolutions:
                convolution.options["padding"] = (top, left)


def _fold_norms(plan: FusionPlan) -> None:
    """At inference a normalization scales and shifts the filters before it."""
    for convolution in [] if plan.mode.training else plan.of_type(layers.Conv2D):
        norm = plan.only_reader(convolution.layer, layers.BatchNormalization)
        if norm is not None and convolution.layer.activation is activations.linear:
            norm.function = None
            convolution.options["norm"] = norm.layer


def _pool_before_activations(plan: FusionPlan) -> None:
    """Pool first: a monotonic activation has its maximum at that of its argument."""
    for lowered in plan.of_type(layers.Conv2D, layers.ReLU, layers.LeakyReLU):
        layer = lowered.layer
        pool = plan.only_reader(layer, layers.MaxPooling2D)
        if pool is None:
            continue
        if type(layer) is not layers.Conv2D:
            pool.after = lowered.function, layer
            lowered.function = None
        elif layer.activation is activations.relu:
            pool.after = activation, layer
            lowered.options["activate"] = False


def _normalize_in_pooling(plan: FusionPlan) -> None:
    """Compute a normalization in training, and the 2x2 max pooling after it, as one."""
    for norm in plan.of_type(layers.BatchNormalization) if plan.mode.fusible else []:
        layer = norm.layer
        between = plan.only_reader(layer, layers.ReLU, layers.LeakyReLU)
        if between is not None and between.function is None:
            pool = plan.only_reader(between.layer, layers.MaxPooling2D)
        else:
            pool = plan.only_reader(layer, layers.MaxPooling2D)
        if pool is None or not (layer.scale and layer.center and layer.trainable):
            continue
        (call,) = plan.graph.calls[pool.layer]
        even = not any(side is None or side % 2 for side in call.argument.shape[1:3])
        if is_2x2_pool(pool.layer) and even:
            norm.function = None
            pool.function = norm_max_pool
            pool.options["norm"] = layer
