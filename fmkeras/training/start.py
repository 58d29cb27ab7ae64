"""Where a training starts from a file: its architecture, its weights, frozen layers."""

import hashlib
from pathlib import Path

import keras

from fmkeras.artifacts.keras_file import find_artifact, load_artifact, with_policy
from fmkeras.artifacts.lookup import card_or_empty
from fmkeras.errors import UserError
from fmkeras.models.initializers import initialize
from fmkeras.records import SAVED_MODELS


def is_model_file(name: str | Path) -> bool:
    """Return whether a model is named by its `.keras` file, not by its network."""
    return Path(name).suffix == ".keras"


def network_of_file(
    path: str | Path, init: str, precision: str, seed: int, num_classes: int
) -> keras.Model:
    """Return the network in a `.keras` file with new weights, images to logits.

    `precision` is float32 or bfloat16. A softmax at its end is left out, and where it
    tells another number of classes apart, its last dense layer is another. Raises
    `UserError` for a file that cannot be used, or that does not end in such a layer.
    """
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
    keras.utils.set_random_seed(seed)
    trained = with_policy(to_logits(load_artifact(path)), policy)
    model = type(trained).from_config(trained.get_config())
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


def copy_weights(source: keras.Model, target: keras.Model) -> list[str]:
    """Copy weights layer by layer, by name; return the layers that stay new.

    These may be the last one with weights alone, where the number of classes is
    another. Raises `UserError` where the two are of other architectures.
    """
    given = {layer.name: layer for layer in source.layers if layer.weights}
    layers = [layer for layer in target.layers if layer.weights]
    new = []
    for layer in layers:
        own = [tuple(weight.shape) for weight in layer.weights]
        other = given.get(layer.name)
        theirs = [tuple(w.shape) for w in other.weights] if other else None
        if own == theirs:
            layer.set_weights(other.get_weights())
        elif layer is layers[-1]:
            new.append(layer.name)
        else:
            raise UserError(
                f"The file is of another architecture; expected a layer {layer.name} "
                f"with weights of {own}: name its own network as the model, or none. "
                f"Received: {theirs or 'no such layer'}"
            )
    return new


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
            f"{', '.join(known)}. Received: {name!r}"
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
    folder: str | Path = SAVED_MODELS,
) -> dict:
    """Give a new model the weights of a file and freeze layers; say what came whence.

    What is returned is what a card says of it: empty without either.
    """
    facts = {}
    if init_from is not None:
        path = find_artifact(init_from, folder)
        card = card_or_empty(path)
        new = copy_weights(to_logits(load_artifact(path)), model)
        facts = {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "model": card.get("model"),
            "classes": card.get("classes"),
            "dataset": card.get("dataset", {}).get("name"),
            "new_layers": new,
        }
    if freeze is not None:
        facts["frozen"] = freeze_up_to(model, freeze)
    return facts


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
