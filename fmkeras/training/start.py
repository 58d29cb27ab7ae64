"""Where a training starts from a file: its architecture, its weights, frozen layers."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from fmkeras.artifacts.card import is_from_elsewhere
from fmkeras.artifacts.keras_file import find_artifact, load_artifact, with_policy
from fmkeras.artifacts.lookup import card_or_empty
from fmkeras.datasets.garments.draw import draw_garments
from fmkeras.engines import predict
from fmkeras.errors import UserError, did_you_mean
from fmkeras.evaluation.evaluate import output_kind
from fmkeras.keras_internals import layers_within
from fmkeras.models.initializers import initialize
from fmkeras.models.registry import pixel_scale
from fmkeras.recipes import CHOICES
from fmkeras.records import SAVED_MODELS

# Drawn images whose outputs are looked at.
_FEW = 16


def is_model_file(name: str | Path) -> bool:
    """Return whether a model is named by its `.keras` file, not by its network."""
    return Path(name).suffix == ".keras"


def network_of_file(
    path: str | Path, init: str, precision: str, seed: int, num_classes: int
) -> keras.Model:
    """Return the network in a `.keras` file with new weights, images to logits.

    `precision` is float32 or bfloat16. A softmax at its end is left out, and where it
    tells another number of classes apart, its last dense layer is another. All layers
    learn, those that were frozen in the file too: their weights are new. Raises
    `UserError` for a file that cannot be used, or that does not end in such a layer.
    """
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
    keras.utils.set_random_seed(seed)
    trained = to_logits(load_artifact(path))
    if output_kind(predict(trained, draw_garments(_FEW, seed=0)[0])) == "probabilities":
        raise UserError(
            f"The network in '{path}' gives probabilities by a layer inside another, "
            "or by an operation; expected logits, or a softmax as its own last layer. "
            "Received: outputs that add up to 1"
        )
    trained = with_policy(trained, policy)
    model = type(trained).from_config(trained.get_config())
    for layer in layers_within(model):
        # One by one: on tensorflow the model's own does not reach them.
        layer.trainable = True
    model = _with_head(model, num_classes, str(path))
    initialize(model, init, seed)
    return model


def to_logits(model: keras.Model) -> keras.Model:
    """Return a functional model of what the last softmax or sigmoid is taken of.

    The weights are those of `model`.
    """
    output = model.outputs[0]
    last = _layer_of(model, output)
    kind = type(last).__name__
    activation = getattr(getattr(last, "activation", None), "__name__", "linear")
    if kind == "Softmax" or (kind == "Activation" and activation == "softmax"):
        return keras.Model(model.inputs[0], last.input, name=model.name)
    if activation not in ("softmax", "sigmoid"):
        return keras.Model(model.inputs[0], output, name=model.name)
    plain = type(last).from_config(last.get_config() | {"activation": "linear"})
    result = keras.Model(model.inputs[0], plain(last.input), name=model.name)
    plain.set_weights(last.get_weights())
    return result


def copy_weights(
    source: keras.Model, target: keras.Model, new_head: bool = False
) -> list[str]:
    """Copy weights layer by layer, by name; return the layers that stay new.

    These may be the last one with weights alone, where the number of classes is
    another, or the classes are (`new_head`). Raises `UserError` where the two are of
    other architectures, or scale the pixels otherwise.
    """
    _check_scaling(source, target)
    given = {layer.name: layer for layer in source.layers if layer.weights}
    layers = [layer for layer in target.layers if layer.weights]
    unknown = [n for n in [*given][:-1] if n not in {layer.name for layer in layers}]
    if unknown:
        raise UserError(
            "The file is of another architecture; expected the layers of the network "
            "alone: name its own network as the model, or none. "
            f"Received: layer {unknown[0]}"
        )
    new = []
    for layer in layers:
        own = [tuple(weight.shape) for weight in layer.weights]
        other = given.get(layer.name)
        theirs = [tuple(w.shape) for w in other.weights] if other else None
        if own == theirs and not (new_head and layer is layers[-1]):
            layer.set_weights(other.get_weights())
        elif layer is layers[-1] and _classes_apart(own, theirs):
            new.append(layer.name)
        else:
            raise UserError(
                f"The file is of another architecture; expected a layer {layer.name} "
                f"with weights of {own}: name its own network as the model, or none. "
                f"Received: {theirs or 'no such layer'}"
            )
    return new


def _classes_apart(own: list[tuple], theirs: list[tuple] | None) -> bool:
    """Say whether the weights of two last layers may differ in their classes alone."""
    if theirs is None:
        return True
    return [shape[:-1] for shape in own] == [shape[:-1] for shape in theirs]


def freeze_up_to(model: keras.Model, name: str) -> list[str]:
    """Freeze every layer up to the one of that name; return those with weights.

    Frozen batch normalisation keeps its averages too, as Keras has it. Raises
    `UserError` for an unknown layer, and where nothing would be left to train.
    """
    names = [layer.name for layer in model.layers]
    if name not in names:
        known = [layer.name for layer in model.layers if layer.weights]
        raise UserError(
            f"The network has no layer of that name to freeze up to; expected one of: "
            f"{', '.join(known)}.{did_you_mean(name, known)} Received: {name!r}"
        )
    frozen = model.layers[: names.index(name) + 1]
    for layer in frozen:
        layer.trainable = False
    if not model.trainable_variables:
        raise UserError(
            "With every layer frozen there is nothing to train; expected a layer "
            f"before the last. Received: {name!r}"
        )
    return [layer.name for layer in frozen if layer.weights]


def start_from(
    model: keras.Model,
    init_from: str | Path | None,
    freeze: str | None,
    class_names: Sequence[str],
    folder: str | Path = SAVED_MODELS,
) -> dict:
    """Give a new model the weights of a file and freeze layers; say what came whence.

    The last layer stays new where the file's card has other classes than
    `class_names`. What is returned is what a card says of it: empty without either.
    """
    facts = {}
    if init_from is not None:
        path = find_artifact(init_from, folder)
        card = card_or_empty(path)
        others = card.get("classes", list(class_names)) != list(class_names)
        new = copy_weights(to_logits(load_artifact(path)), model, others)
        facts = {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "model": card.get("model"),
            "classes": card.get("classes"),
            "dataset": card.get("dataset", {}).get("name"),
            "new_layers": new,
            "elsewhere": is_from_elsewhere(card),
        }
    if freeze is not None:
        facts |= {"frozen_up_to": freeze, "frozen": freeze_up_to(model, freeze)}
    return facts


def _check_scaling(source: keras.Model, target: keras.Model) -> None:
    """Raise `UserError` where the two scale pixels otherwise: no weight tells."""
    given = {layer.name: layer for layer in source.layers}
    for layer in target.layers:
        other = given.get(layer.name)
        if not all(isinstance(one, keras.layers.Rescaling) for one in (layer, other)):
            continue
        if not np.allclose((layer.scale, layer.offset), (other.scale, other.offset)):
            theirs = _scaling(other)
            raise UserError(
                "The file scales pixels otherwise than this training; expected "
                f"{_scaling(layer)}: train with its own, --preprocessing {theirs} "
                f'(make: ARGS="--preprocessing {theirs}"). Received: {theirs}'
            )


def _scaling(layer: keras.layers.Rescaling) -> str:
    for name in CHOICES["preprocessing"]:
        if np.allclose((layer.scale, layer.offset), pixel_scale(name)):
            return name
    return f"pixels * {layer.scale:.4g} {layer.offset:+.4g}"


def _layer_of(model: keras.Model, tensor) -> keras.Layer:
    """Return the layer of `model` that gives `tensor`."""
    for layer in reversed(model.layers):
        if any(tensor is output for output in keras.tree.flatten(layer.output)):
            return layer
    return model.layers[-1]


def _with_head(model: keras.Model, num_classes: int, name: str) -> keras.Model:
    if model.output_shape[-1] == num_classes:
        return model
    last = _layer_of(model, model.outputs[0])
    if type(last) is not keras.layers.Dense:
        raise UserError(
            f"The network in '{name}' tells {model.output_shape[-1]} classes apart "
            f"and the data has {num_classes}; expected a dense layer at its end, to "
            f"be made anew. Received: {type(last).__name__}"
        )
    head = keras.layers.Dense.from_config(last.get_config() | {"units": num_classes})
    return keras.Model(model.inputs[0], head(last.input), name=model.name)
