"""Ranger21 as Keras calls it, eagerly and compiled, step by step beside its oracles.

The model's loss is linear in its weights, so that the gradients are known: what the
oracle is given and what Keras derives differ by rounding alone.
"""

import functools

import keras
import numpy as np
import pytest
import pytorch_optimizer
import ranger21
import torch
from keras import ops

from fmkeras.optimizers import Ranger21

pytestmark = pytest.mark.every_backend

BATCH = 4
BACKEND = keras.backend.backend()
# On torch `jit_compile` is off unless asked for; Dynamo is too slow to ask here.
COMPILED = BACKEND != "torch"
# The errors of a run, as a share of each weight's largest entry.
TOLERANCE = 1e-4


class SumFromZero(pytorch_optimizer.Ranger21):
    """pytorch_optimizer's, whose sum of second moments starts at 1 instead of 0."""

    def _preprocess_group(self, group):
        size, sums = super()._preprocess_group(group)
        return size, [*sums, -1.0]


def make_oracle(mode, weights, steps):
    if mode == "reference":
        return ranger21.Ranger21(
            weights, lr=2.0**-7, num_epochs=1, num_batches_per_epoch=steps
        )
    return SumFromZero(weights, num_iterations=steps, lr=2.0**-7, foreach=False)


def make_optimizer(mode, steps):
    # What pytorch_optimizer has in the reference's place, where the mode is "fixed".
    other = {} if mode == "reference" else {"amsgrad": True, "negative_momentum": 0.9}
    return Ranger21(2.0**-7, steps, mode=mode, **other)


def make_model():
    """A convolution and a dense layer side by side: kernels and biases."""
    keras.utils.set_random_seed(5)
    images, features = keras.Input((4, 4, 2)), keras.Input((6,))
    outputs = [
        keras.layers.Conv2D(3, 3, bias_initializer="glorot_uniform")(images),
        keras.layers.Dense(5, bias_initializer="glorot_uniform")(features),
    ]
    return keras.Model([images, features], outputs)


def linear_loss(targets, outputs):
    return ops.sum(targets * outputs, axis=tuple(range(1, len(outputs.shape))))


def make_data(steps):
    generator = np.random.default_rng(8)
    shapes = (4, 4, 2), (6,), (2, 2, 3), (5,)
    return [
        generator.normal(size=(steps * BATCH, *shape)).astype("float32")
        for shape in shapes
    ]


def gradients_of_step(data, step):
    """Return the gradients in torch's layout, of the mean of the sample losses."""
    chosen = slice(step * BATCH, (step + 1) * BATCH)
    images, features, to_images, to_features = (
        torch.from_numpy(array[chosen]) for array in data
    )
    images, to_images = (x.permute(0, 3, 1, 2) for x in (images, to_images))
    kernel = torch.nn.grad.conv2d_weight(images, (3, 2, 3, 3), to_images)
    gradients = [
        kernel,
        to_images.sum((0, 2, 3)),
        to_features.T @ features,
        to_features.sum(0),
    ]
    return [gradient / BATCH for gradient in gradients]


def to_keras(array):
    return np.moveaxis(array, (0, 1), (-1, -2)) if array.ndim > 1 else array


def to_torch(array):
    return np.moveaxis(array, (-1, -2), (0, 1)) if array.ndim > 1 else array


@functools.cache
def oracle_trace(mode, steps):
    """Return the weights after each step, in Keras's layout."""
    data = make_data(steps)
    weights = [
        torch.nn.Parameter(torch.tensor(to_torch(weight)))
        for weight in make_model().get_weights()
    ]
    oracle, trace = make_oracle(mode, weights, steps), []
    for step in range(steps):
        for weight, gradient in zip(
            weights, gradients_of_step(data, step), strict=True
        ):
            weight.grad = gradient.clone()
        oracle.step()
        trace.append([to_keras(w.detach().numpy().copy()) for w in weights])
    return trace


def largest_error(trace, ours):
    return max(
        np.max(np.abs(expected - actual)) / np.max(np.abs(expected))
        for expected_now, actual_now in zip(trace, ours, strict=True)
        for expected, actual in zip(expected_now, actual_now, strict=True)
    )


every_mode = pytest.mark.parametrize("mode", ["reference", "fixed"])
# Eager steps take their time on tensorflow and jax, which overwrite no tensor.
eager_lengths = pytest.mark.parametrize(
    "steps", [1, 7, 60, 230] if BACKEND == "torch" else [60]
)


@every_mode
@eager_lengths
def test_apply_follows_the_oracle_eagerly(mode, steps):
    model, data, ours = make_model(), make_data(steps), []
    optimizer = make_optimizer(mode, steps)
    for step in range(steps):
        gradients = [to_keras(g.numpy()) for g in gradients_of_step(data, step)]
        optimizer.apply(
            [ops.convert_to_tensor(g.copy()) for g in gradients],
            model.trainable_variables,
        )
        ours.append(model.get_weights())
    assert largest_error(oracle_trace(mode, steps), ours) < TOLERANCE


class Weights(keras.callbacks.Callback):
    """The model's weights after each step."""

    def on_train_batch_end(self, batch, logs=None):
        if BACKEND == "jax":
            self.model.jax_state_sync()
        self.trace.append(self.model.get_weights())

    def on_train_begin(self, logs=None):
        self.trace = []


def fit_trace(mode, steps, **how):
    model, data, seen = make_model(), make_data(steps), Weights()
    model.compile(make_optimizer(mode, steps), [linear_loss] * 2, **how)
    model.fit(
        tuple(data[:2]),
        tuple(data[2:]),
        batch_size=BATCH,
        shuffle=False,
        verbose=0,
        callbacks=[seen],
    )
    return seen.trace


@every_mode
@eager_lengths
def test_fit_follows_the_oracle_eagerly(mode, steps):
    ours = fit_trace(mode, steps, run_eagerly=True)
    assert largest_error(oracle_trace(mode, steps), ours) < TOLERANCE


@every_mode
@pytest.mark.parametrize("steps", [60, 230])
def test_fit_follows_the_oracle_compiled(mode, steps):
    ours = fit_trace(mode, steps, jit_compile=COMPILED)
    assert largest_error(oracle_trace(mode, steps), ours) < TOLERANCE
