"""The memory layout of weights: that of torch's own layers, whatever Keras's order.

Keras's kernels have their output axis last, torch's first. A Keras kernel stored with
the outputs first in memory becomes a torch kernel by a permute, without a copy, and
matrix products read along its rows.
"""

import keras
import torch


def to_output_first(variable: keras.Variable) -> None:
    """Store a variable with its last axis first in memory; its values do not change."""
    tensor = variable.value
    if tensor.ndim > 1:
        first = outputs_first(tensor.detach()).contiguous()
        tensor.data = first.movedim(0, -1)


def outputs_first(tensor: torch.Tensor) -> torch.Tensor:
    """Return a view with the last axis first: the order of the memory."""
    return tensor.movedim(-1, 0) if tensor.ndim > 1 else tensor


def match_layout(gradient: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the gradient in the memory layout of its weight."""
    sides = zip(weight.shape, gradient.stride(), weight.stride(), strict=True)
    if all(one == other for size, one, other in sides if size > 1):
        # Equal layouts: strides of axes of length 1 do not count.
        return gradient.as_strided(weight.shape, weight.stride())
    return torch.empty_like(weight).copy_(gradient)
