"""Stochastic weight averaging: the mean of the weights at the ends of epochs."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np


class MeanWeights:
    """The mean of a model's weights so far, moving statistics included.

    Izmailov et al., arXiv 1803.05407. They compute the statistics of batch
    normalisation anew over the training images; here these are averaged as well, as
    `torch.optim.swa_utils.AveragedModel(use_buffers=True)` does.
    """

    def __init__(self) -> None:
        self.count = 0
        self.values: list[np.ndarray] = []

    def add(self, model: keras.Model) -> None:
        """Add the model's current weights to the mean."""
        weights = _weights(model)
        self.count += 1
        if self.count == 1:
            self.values = weights
            return
        for mean, weight in zip(self.values, weights, strict=True):
            mean += (weight - mean) / self.count

    @contextlib.contextmanager
    def in_place(self, model: keras.Model) -> Iterator[None]:
        """Assign the mean to the model's weights, and restore its own at the end."""
        own = _weights(model)
        _assign(model, self.values)
        try:
            yield
        finally:
            _assign(model, own)


def _weights(model: keras.Model) -> list[np.ndarray]:
    # Copies: on torch the arrays share memory that is overwritten.
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in _averaged(model)]


def _assign(model: keras.Model, values: list[np.ndarray]) -> None:
    for variable, value in zip(_averaged(model), values, strict=True):
        variable.assign(value)


def _averaged(model: keras.Model) -> list[keras.Variable]:
    """Return the weights and the statistics, without the states of dropout."""
    variables = model.trainable_variables + model.non_trainable_variables
    return [v for v in variables if keras.backend.is_float_dtype(v.dtype)]
