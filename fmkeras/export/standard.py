"""The form that every export has: raw pixels in, one probability a class out."""

import keras

from fmkeras.engines.structure import class_scores
from fmkeras.keras_internals import call_again, functional_graph
from fmkeras.labels import IMAGE_SHAPE

# Makes classes equally likely of which none is, and changes no other shares.
NEXT_TO_NOTHING = 1e-30


def standard_model(model: keras.Model, outputs: str) -> keras.Model:
    """Return a model of pixels, (n, 28, 28, 1), that gives probabilities, (n, classes).

    Both are float32. `model` takes raw pixels, with or without the last axis, and
    gives `outputs`: probabilities, logits or sigmoids (see `output_kind`). Its layers
    and weights are the same.
    """
    graph = functional_graph(model)
    taken = model.inputs[0]
    # Names in a model must differ: this one is free, and no layer has the others.
    pixels = keras.Input(IMAGE_SHAPE, dtype="float32", name=taken.name)
    x = pixels
    if len(taken.shape) == 3:
        x = keras.layers.Reshape(IMAGE_SHAPE[:2], name="pixels_as_rows")(x)
    given = model(x) if graph is None else call_again(graph, x)
    shares = class_scores(model, given)
    if outputs == "logits":
        softmax = keras.layers.Softmax(dtype="float32", name="logits_as_probabilities")
        shares = softmax(shares)
    elif outputs == "sigmoids":
        shares = _shares_of_sigmoids(shares.shape[1])(shares)
    elif shares.dtype != "float32":
        name = "probabilities_in_float32"
        shares = keras.layers.Identity(dtype="float32", name=name)(shares)
    return keras.Model(pixels, shares, name=model.name)


def _shares_of_sigmoids(classes: int) -> keras.Model:
    """Return a model of (n, classes) that divides each row by its sum."""
    # A model, for its operations cannot be given names that no other has.
    sigmoids = keras.Input((classes,), dtype="float32", name="sigmoids")
    some = sigmoids + NEXT_TO_NOTHING
    shares = some / keras.ops.sum(some, axis=-1, keepdims=True)
    return keras.Model(sigmoids, shares, name="sigmoids_as_probabilities")
