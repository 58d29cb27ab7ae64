"""The oracles of Ranger21, their recorded runs, and our own compiled runs."""

import keras
import numpy as np
import pytorch_optimizer
import ranger21
import torch
from keras import ops

from fmkeras.optimizers import Ranger21

STEPS = 200
RATE = 2.0**-7  # near the recipe's 0.01, and the same in float32 and float64
STRONG = {"weight_decay": 0.5, "norm_loss": 0.05}  # to be felt in 200 steps


# PyTorch's layout (units, inputs, ...) to and from Keras's (..., inputs, units)


def to_keras(array):
    return np.moveaxis(array, (0, 1), (-1, -2)) if array.ndim > 1 else array


def depthwise_to_keras(array, multiplier):
    """(channels x multiplier, 1, ...) to (..., channels, multiplier)."""
    split = array.reshape(-1, multiplier, *array.shape[2:])
    return np.moveaxis(split, (0, 1), (-2, -1))


# The same gradients for the oracle and for us


class Sum21(pytorch_optimizer.Ranger21):
    """pytorch_optimizer's, whose sum of second moments starts at 1 instead of 0."""

    def _preprocess_group(self, group):
        size, sums = super()._preprocess_group(group)
        return size, [*sums, -1.0]


def reference_oracle(weights, steps=STEPS, weight_decay=1e-4, norm_loss=1e-4):
    return ranger21.Ranger21(
        weights,
        lr=RATE,
        num_epochs=1,
        num_batches_per_epoch=steps,
        weight_decay=weight_decay,
        normloss_factor=norm_loss,
    )


def fixed_oracle(weights, steps=STEPS, weight_decay=1e-4, norm_loss=1e-4):
    return Sum21(
        weights,
        num_iterations=steps,
        lr=RATE,
        weight_decay=weight_decay,
        norm_loss_factor=norm_loss,
        foreach=False,
    )


def ours_for(oracle, steps=STEPS, **arguments):
    if oracle is reference_oracle:
        return Ranger21(RATE, steps, mode="reference", **arguments)
    # what pytorch_optimizer has in its place
    return Ranger21(RATE, steps, amsgrad=True, negative_momentum=0.9, **arguments)


def run_oracle(make_oracle, weights, gradients_at, dtype, **arguments):
    """Weights before the run, and gradients and weights of each step, as arrays."""
    weights = [torch.nn.Parameter(w.detach().clone().to(dtype)) for w in weights]
    oracle = make_oracle(weights, **arguments)
    start, gradients, trace = [w.detach().numpy().copy() for w in weights], [], []
    for step in range(STEPS):
        for weight, gradient in zip(weights, gradients_at(step, weights), strict=True):
            weight.grad = gradient.to(dtype).clone()
        gradients.append([w.grad.numpy().copy() for w in weights])
        oracle.step()  # which alters the gradients
        trace.append([w.detach().numpy().copy() for w in weights])
    return start, gradients, trace


def net_weights_and_gradients():
    """A small net of two convolutions and two dense layers on random images."""
    generator = torch.Generator().manual_seed(7)
    layers = [
        torch.nn.Conv2d(2, 4, 3),
        torch.nn.Conv2d(4, 6, 3, stride=2),
        torch.nn.Linear(24, 8),
        torch.nn.Linear(8, 3),
    ]
    weights = [p for layer in layers for p in layer.parameters()]
    for weight in weights:
        spread = weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.1
        weight.data = spread * torch.randn(weight.shape, generator=generator)
    images = torch.randn((64, 2, 7, 7), generator=generator)
    labels = torch.randint(0, 3, (64,), generator=generator)

    def gradients_at(step, weights):
        w1, b1, w2, b2, w3, b3, w4, b4 = weights
        batch = torch.arange(8) + step % 8 * 8
        x = torch.nn.functional.conv2d(images[batch].to(w1.dtype), w1, b1).relu()
        x = torch.nn.functional.conv2d(x, w2, b2, stride=2).relu().flatten(1)
        x = torch.nn.functional.linear(x, w3, b3).relu()
        x = torch.nn.functional.linear(x, w4, b4)
        loss = torch.nn.functional.cross_entropy(x, labels[batch])
        return torch.autograd.grad(loss, weights)

    return weights, gradients_at


ODD_SHAPES = {
    "scalar": (),
    "one": (1,),
    "pair": (2,),
    "bias": (5,),
    "depthwise": (4, 1, 3, 3),
    "depthwise_2": (8, 1, 3, 3),
    "single": (1, 1),
    "one_unit": (1, 2),
    "one_input": (6, 1),
    "pointwise": (5, 3, 1, 1),
    "faint": (6, 5),
    "cube": (3, 2, 2, 2, 2),
    "zero_bias": (4,),
}
REFERENCE_SHAPES = {"sequence": (6, 4, 3), "depthwise_sequence": (4, 1, 3)}


def odd_weights_and_gradients(shapes):
    generator = torch.Generator().manual_seed(11)
    draws = [torch.randn(s, generator=generator) for s in shapes.values()]
    weights = [
        torch.zeros_like(w) if name == "zero_bias" else w
        for name, w in zip(shapes, draws, strict=True)
    ]

    def gradients_at(step, weights):
        generator = torch.Generator().manual_seed(1000 + step)
        gradients = []
        for i, name in enumerate(shapes):
            # from far under the clipping to far over it
            scale = 3e-8 if name == "faint" else 10.0 ** (i % 5 - 4)
            noise = torch.randn(weights[i].shape, generator=generator)
            gradients.append(scale * (noise + 0.3))
        return gradients

    return weights, gradients_at


def layouts(shapes):
    """For each weight: the path in Keras and the transposition from PyTorch."""
    for name, shape in shapes.items():
        if "depthwise" in name:
            multiplier = shape[0] // 4
            yield name, lambda a, m=multiplier: depthwise_to_keras(a, m)
        else:
            yield name, to_keras


# One update, compiled as each backend compiles


def compiled(optimizer, variables, trace=True):
    """A function of gradients: one update, compiled; returns the weights.

    `trace=False` leaves torch eager, for what it cannot trace: a choice of Keras's
    own (`ops.cond`) in the step.
    """
    optimizer.build(variables)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        apply = tf.function(lambda gradients: optimizer.apply(gradients, variables))

        def step(gradients):
            apply([tf.constant(g) for g in gradients])
            return variables

        step.store = lambda: None
        return step
    state = [ops.stop_gradient(v) for v in optimizer.variables]
    weights = [ops.stop_gradient(v) for v in variables]
    if backend == "jax":
        import jax

        apply = jax.jit(optimizer.stateless_apply)
    elif not trace:
        apply = optimizer.stateless_apply
    else:
        from torch.fx.experimental.proxy_tensor import make_fx

        ones = [torch.ones_like(w) for w in weights]
        apply = make_fx(lambda *lists: optimizer.stateless_apply(*lists))
        apply = apply(state, ones, weights)

    def step(gradients):
        nonlocal weights, state
        gradients = [ops.convert_to_tensor(g) for g in gradients]
        weights, state = apply(state, gradients, weights)
        return weights

    def store():
        pairs = zip([*variables, *optimizer.variables], [*weights, *state], strict=True)
        for variable, value in pairs:
            variable.assign(value)

    step.store = store
    return step


def as_arrays(tensors):
    return [ops.convert_to_numpy(ops.convert_to_tensor(tensor)) for tensor in tensors]


def replay(optimizer, layout, start, gradients, kind):
    """Weights after each step of our optimizer on recorded gradients."""
    variables = [
        keras.Variable(turn(w).astype(kind), dtype=kind, name=name)
        for (name, turn), w in zip(layout, start, strict=True)
    ]
    step = compiled(optimizer, variables)
    for gradients_now in gradients:
        weights = step(
            [
                turn(g).astype(kind, order="C")
                for (_, turn), g in zip(layout, gradients_now, strict=True)
            ]
        )
        yield as_arrays(weights)


def run_error(layout, trace, ours):
    return max(
        np.max(np.abs(turn(expected) - actual)) / max(np.max(np.abs(expected)), 1e-30)
        for expected_now, actual_now in zip(trace, ours, strict=True)
        for (_, turn), expected, actual in zip(
            layout, expected_now, actual_now, strict=True
        )
    )


def compare(
    make_oracle, weights, gradients_at, layout, dtype, arguments, kind="float32"
):
    start, gradients, trace = run_oracle(
        make_oracle, weights, gradients_at, dtype, **arguments
    )
    ours = ours_for(make_oracle, **arguments)
    ours = replay(ours, layout, start, gradients, kind)
    return run_error(layout, trace, ours)
