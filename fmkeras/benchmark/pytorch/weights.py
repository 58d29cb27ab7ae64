"""Weights to and from PyTorch: the names, the layouts and their order.

A layer `stage_1-conv_1` here is the module `stage_1.conv_1` there. Keras keeps
convolution kernels as (height, width, in, out) and dense ones as (in, out), PyTorch
as (out, in, height, width) and (out, in). A dense layer behind a flattening also
has its inputs in another order: Keras flattens (height, width, channels), PyTorch
(channels, height, width).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np

from fmkeras.errors import UserError

if TYPE_CHECKING:
    import torch  # arrays come in where it is absent

# Batch normalisation counts its steps in PyTorch; the count is of no use here.
COUNTER = "num_batches_tracked"
_NORM_NAMES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


@dataclass(frozen=True)
class Entry:
    """One weight under both names, with the way between the two layouts."""

    key: str
    variable: keras.Variable
    to_torch: Callable[[np.ndarray], np.ndarray]
    from_torch: Callable[[np.ndarray], np.ndarray]

    @property
    def torch_shape(self) -> tuple[int, ...]:
        blank = np.broadcast_to(np.float32(0), tuple(self.variable.shape))
        return self.to_torch(blank).shape


def entries(model) -> list[Entry]:
    """Return the model's weights with their PyTorch keys.

    Raises `UserError` for a layer with weights that is neither a convolution, nor
    dense, nor batch normalisation.
    """
    found = []
    flattened = None  # the shape before a Flatten whose dense layer is to come
    for layer in model.layers:
        module = layer.name.replace("-", ".")
        if isinstance(layer, keras.layers.Flatten):
            flattened = tuple(layer.input.shape[1:])
        elif isinstance(layer, keras.layers.Conv2D):
            found.append(Entry(f"{module}.weight", layer.kernel, _conv_to, _conv_from))
            if layer.use_bias:
                found.append(Entry(f"{module}.bias", layer.bias, np.array, np.array))
        elif isinstance(layer, keras.layers.Dense):
            there, back = _dense_ways(flattened)
            found += [
                Entry(f"{module}.weight", layer.kernel, there, back),
                Entry(f"{module}.bias", layer.bias, np.array, np.array),
            ]
            flattened = None
        elif isinstance(layer, keras.layers.BatchNormalization):
            found += [
                Entry(f"{module}.{there}", getattr(layer, here), np.array, np.array)
                for here, there in _NORM_NAMES.items()
            ]
        elif layer.weights:
            raise UserError(
                "Cannot move this layer's weights; expected Conv2D, Dense or "
                f"BatchNormalization. Received: {type(layer).__name__} '{layer.name}'"
            )
    return found


def export_to_torch(model) -> "dict[str, torch.Tensor]":
    """Return the model's weights as a state dict for its PyTorch twin."""
    import torch

    state = {}
    for entry in entries(model):
        value = keras.ops.convert_to_numpy(entry.variable)
        state[entry.key] = torch.tensor(np.ascontiguousarray(entry.to_torch(value)))
        if entry.key.endswith(".running_var"):
            counter = entry.key.removesuffix("running_var") + COUNTER
            state[counter] = torch.tensor(0)
    return state


def import_from_torch(model, state_dict: "Mapping[str, torch.Tensor]") -> None:
    """Set the model's weights from a state dict that has its twin's keys.

    Nothing is set unless every key and shape is as expected. Raises `UserError`
    that names the first missing or unknown key, or the first wrong shape.
    """
    expected = {entry.key: entry for entry in entries(model)}
    given = {key: t for key, t in state_dict.items() if not key.endswith(COUNTER)}
    missing = [key for key in expected if key not in given]
    unknown = [key for key in given if key not in expected]
    if missing or unknown:
        raise UserError(
            f"The state dict does not fit {model.name}; expected the keys of its "
            f"twin, {len(expected)} without counters: rename them. Received: "
            f"{len(missing)} missing {missing[:1]}, {len(unknown)} unknown "
            f"{unknown[:1]}"
        )
    for key, entry in expected.items():
        shape = tuple(given[key].shape)
        if shape != entry.torch_shape:
            raise UserError(
                f"The state dict does not fit {model.name}; expected {key} of "
                f"shape {entry.torch_shape}: build both alike. Received: {shape}"
            )
    # Through float32: NumPy knows no bfloat16.
    import_arrays(
        model, {k: t.detach().cpu().float().numpy() for k, t in given.items()}
    )


def import_arrays(model, arrays: Mapping[str, np.ndarray]) -> None:
    """Set the model's weights from arrays in PyTorch's layout by their twin's keys.

    Keys and shapes are those of `entries(model)`.
    """
    for entry in entries(model):
        value = np.asarray(arrays[entry.key], np.float32)
        entry.variable.assign(np.ascontiguousarray(entry.from_torch(value)))


def _conv_to(kernel):
    return kernel.transpose(3, 2, 0, 1)


def _conv_from(kernel):
    return kernel.transpose(2, 3, 1, 0)


def _dense_ways(flattened):
    if flattened is None or len(flattened) != 3:
        return np.transpose, np.transpose
    height, width, channels = flattened

    def there(kernel):
        kernel = kernel.reshape(height, width, channels, -1)
        return kernel.transpose(3, 2, 0, 1).reshape(kernel.shape[-1], -1)

    def back(kernel):
        kernel = kernel.reshape(-1, channels, height, width)
        return kernel.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0])

    return there, back
