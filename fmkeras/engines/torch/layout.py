"""How weights lie in memory: as torch's own layers have them, whatever Keras's order.

Keras's kernels have their outputs last, torch's first. With the outputs first in memory
a kernel of Keras is, turned, one of torch's without a copy, and products with it read
along its rows.
"""

import keras
import torch


def to_output_first(variable: keras.Variable) -> None:
    """Put the last axis of a variable first in memory; its values stay as they are."""
    tensor = variable.value
    if tensor.ndim > 1:
        first = outputs_first(tensor.detach()).contiguous()
        tensor.data = first.movedim(0, -1)


def outputs_first(tensor: torch.Tensor) -> torch.Tensor:
    """Return a variable's tensor as it lies in memory, a view: its last axis first."""
    return tensor.movedim(-1, 0) if tensor.ndim > 1 else tensor


def match_layout(gradient: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the gradient in the memory layout of its weight."""
    sides = zip(weight.shape, gradient.stride(), weight.stride(), strict=True)
    if all(one == other for size, one, other in sides if size > 1):
        # The same, though the strides of sides of one value may be written otherwise.
        return gradient.as_strided(weight.shape, weight.stride())
    return torch.empty_like(weight).copy_(gradient)
