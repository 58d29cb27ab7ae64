"""Loss and gradients of a model as NumPy arrays, on the current backend."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np


class Pass(NamedTuple):
    """The results of one forward and backward pass.

    loss: mean cross-entropy over the batch. gradients: in the order of the model's
    `trainable_variables`, in Keras's layout. logits: (n, classes), in training mode.
    """

    loss: float
    gradients: list[np.ndarray]
    logits: np.ndarray


def gradient_function(model) -> Callable[[np.ndarray, np.ndarray], Pass]:
    """Return a function of images and labels, compiled once for many calls.

    images: (n, height, width, channels), raw pixels; labels: (n,), class indices. As in
    training, each call updates the moving averages and the state of dropout; it does
    not change the weights.
    """
    return _BACKENDS[keras.backend.backend()](model)


def input_gradients(model, inputs, classes) -> np.ndarray:
    """Return the gradient of an output with respect to each input, float32.

    inputs: (n, ...), as the model takes them, feature maps too. classes: (n,), the
    index of the output to differentiate. The result has the shape of the inputs. The
    model runs in inference mode and does not change.
    """
    inputs = np.asarray(inputs, np.float32)
    classes = np.asarray(classes, np.int32)
    found = _BY_INPUTS[keras.backend.backend()](model, inputs, classes)
    return np.array(keras.ops.convert_to_numpy(found))


def _torch(model):

    def step(images, labels):
        for variable in model.trainable_variables:
            variable.value.grad = None
        logits = model(images, training=True)
        loss = _cross_entropy(logits, labels)
        loss.backward()
        gradients = [variable.value.grad for variable in model.trainable_variables]
        return _as_numpy(loss, gradients, logits)

    return step


def _tensorflow(model):
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def compiled(images, labels):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = _cross_entropy(logits, labels)
        variables = [variable.value for variable in model.trainable_variables]
        return loss, tape.gradient(loss, variables), logits

    def step(images, labels):
        return _as_numpy(*compiled(tf.constant(images), tf.constant(labels)))

    return step


def _jax(model):
    import jax

    def loss_of(trainable, other, images, labels):
        logits, other = model.stateless_call(trainable, other, images, training=True)
        return _cross_entropy(logits, labels), (other, logits)

    compiled = jax.jit(jax.value_and_grad(loss_of, has_aux=True))

    def step(images, labels):
        trainable = [variable.value for variable in model.trainable_variables]
        other = [variable.value for variable in model.non_trainable_variables]
        (loss, (other, logits)), gradients = compiled(trainable, other, images, labels)
        for variable, value in zip(model.non_trainable_variables, other, strict=True):
            variable.assign(value)
        return _as_numpy(loss, gradients, logits)

    return step


def _torch_by_inputs(model, inputs, classes):
    import torch

    inputs = keras.ops.convert_to_tensor(inputs).requires_grad_(True)
    chosen = _chosen(model(inputs, training=False), classes)
    return torch.autograd.grad(chosen, inputs)[0]


def _tensorflow_by_inputs(model, inputs, classes):
    import tensorflow as tf

    inputs = tf.constant(inputs)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        chosen = _chosen(model(inputs, training=False), classes)
    return tape.gradient(chosen, inputs)


def _jax_by_inputs(model, inputs, classes):
    import jax

    trainable = [variable.value for variable in model.trainable_variables]
    other = [variable.value for variable in model.non_trainable_variables]

    # The weights are arguments, since XLA would fold constants for a long time.
    def chosen(inputs, trainable, other):
        outputs, _ = model.stateless_call(trainable, other, inputs, training=False)
        return _chosen(outputs, classes)

    return jax.jit(jax.grad(chosen))(inputs, trainable, other)


def _chosen(outputs, classes):
    """Return the sum over the rows of each row's output for its class."""
    return keras.ops.sum(outputs * keras.ops.one_hot(classes, outputs.shape[-1]))


def _cross_entropy(logits, labels):
    labels = keras.ops.convert_to_tensor(labels, dtype="int32")
    losses = keras.losses.sparse_categorical_crossentropy(
        labels, logits, from_logits=True
    )
    return keras.ops.mean(losses)


def _as_numpy(loss, gradients, logits) -> Pass:
    to_numpy = keras.ops.convert_to_numpy
    # Copies: under torch the arrays would share memory with the next gradients.
    return Pass(
        float(to_numpy(loss)),
        [np.array(to_numpy(gradient)) for gradient in gradients],
        to_numpy(logits),
    )


_BACKENDS = {"torch": _torch, "tensorflow": _tensorflow, "jax": _jax}
_BY_INPUTS = {
    "torch": _torch_by_inputs,
    "tensorflow": _tensorflow_by_inputs,
    "jax": _jax_by_inputs,
}
