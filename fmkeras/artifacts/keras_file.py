"""Trained models as files: a `.keras` that needs no fmkeras, and its card."""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import keras

from fmkeras.artifacts.archive import read_config, read_model_file
from fmkeras.artifacts.card import has_card, read_card_of
from fmkeras.artifacts.card_alone import find_in_runs
from fmkeras.artifacts.load_error import load_error
from fmkeras.artifacts.pair import card_path, replacing_pair
from fmkeras.artifacts.portable import OLDEST, drop_newer_defaults
from fmkeras.artifacts.rounding import compress_file
from fmkeras.backends import block_imports
from fmkeras.engines.structure import output_index
from fmkeras.errors import UserError, did_you_mean
from fmkeras.files import json_text
from fmkeras.keras_internals import functional_graph
from fmkeras.labels import CLASS_NAMES, IMAGE_SHAPE
from fmkeras.models.limits import limited_parameters
from fmkeras.records import RUNS, SAVED_MODELS, model_folders

FOLDER = str(SAVED_MODELS)
# Keras's formats: one is read, the others are told from names.
_SUFFIXES = (".keras", ".h5", ".hdf5")
SPARE_PARAMETERS = 10_000
INPUT = "28 x 28 grey images, (n, 28, 28) or (n, 28, 28, 1), uint8 or float, raw 0..255"


def save_artifact(
    model: keras.Model,
    name: str,
    card: dict,
    folder: str | os.PathLike = FOLDER,
    class_names: Sequence[str] = CLASS_NAMES,
    compress: bool = False,
) -> Path:
    """Write `NAME.keras` and its card `NAME.json`; return the path of the former.

    `model` maps images to logits. The file holds the same model in float32 whatever
    the precision of training, uncompiled, with a softmax at its end: Keras opens it
    on any backend without this package. `card` says how the model came about; what
    describes the file is added to it. Both files change together or not at all.
    With `compress` the weights take less room, rounded ones far less.
    Raises `UserError` where the folder cannot be written.
    """
    if not name or Path(name).name != name:
        raise ValueError(f"Expected a plain file name. Received: {name!r}")
    path = Path(folder) / f"{name}.keras"
    with replacing_pair(path) as (model_file, card_file):
        # Keras asks of every object whether it is a TensorShape.
        with block_imports("tensorflow"):
            to_inference_model(model).save(model_file)
        drop_newer_defaults(model_file)
        if compress:
            compress_file(model_file)
        content = model_file.read_bytes()
        facts = {
            "classes": list(class_names),
            "input": INPUT,
            "output": "one probability per class, in the order of classes",
            "keras": f"{OLDEST} or newer",
            "file": path.name,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        text = json_text({"name": name, **card, **facts})
        card_file.write_text(text, encoding="utf-8")
    return path


def load_artifact(
    path_or_name: str | os.PathLike,
    folder: str | os.PathLike = FOLDER,
    num_classes: int | None = None,
) -> keras.Model:
    """Open a model by its path, or by its name in `folder`, uncompiled.

    Files of other projects are welcome where they take 28 x 28 grey images and give
    one output a class: `num_classes` of them where that is given. Raises `UserError`
    for a file that is missing, damaged, altered since its card was written, unsafe
    (code inside) or of other shapes.
    """
    path = find_artifact(path_or_name, folder)
    content = read_model_file(path)
    config, version, weights = read_config(path, content)
    _check_against_card(path, content)
    try:
        # Each weight takes a byte or more; some layers add a few that are not kept.
        with limited_parameters(weights + SPARE_PARAMETERS, f"The model in '{path}'"):
            model = keras.models.load_model(path, compile=False, safe_mode=True)
    except UserError:
        raise
    except Exception as error:  # Keras raises a dozen types for what a file may hold.
        raise load_error(path, config, version, error) from error
    return _as_classifier(path, model, num_classes)


def find_artifact(path_or_name: str | os.PathLike, folder: str | os.PathLike) -> Path:
    """Return the path of a model by path or name; raise `UserError` if absent.

    That of a model of which the card alone is stored lies in the folder of a run.
    """
    path = _path_of(path_or_name, folder)
    if path.suffix == ".keras" and path.exists():
        return path
    if path.exists():
        raise UserError(
            f"'{path}' is no .keras file; expected one, as "
            "keras.models.load_model(...).save('NAME.keras') writes it in the project "
            f"that it comes from. Received: {path.suffix or 'no .keras in its name'}"
        )
    alone = _card_alone(path)
    if alone and (file := find_in_runs(path, alone)):
        return file
    if alone:
        raise UserError(
            f"There is no model file '{path}', its card alone is stored: the file is "
            f"too large; expected it in a folder in '{RUNS}', where {alone['remake']} "
            f"puts it, or its path. Received: {path_or_name}"
        )
    names = sorted(
        {f.stem for p in model_folders(folder) for f in p.glob("[!.]*.keras")}
    )
    raise UserError(
        f"There is no model file '{path}'; expected one that ends in .keras, or a name "
        f"from '{folder}' (there: {', '.join(names) or 'none, train one first'})."
        f"{did_you_mean(path.stem, names)} Received: {path_or_name}"
    )


def read_card(
    path_or_name: str | os.PathLike, folder: str | os.PathLike = FOLDER
) -> dict:
    """Return a model's card; raise `UserError` where it is missing or damaged."""
    return read_card_of(_path_of(path_or_name, folder))


def to_inference_model(model: keras.Model) -> keras.Model:
    """Return a model of logits as published: in float32, with a softmax at the end."""
    plain = with_policy(model, "float32")
    softmax = keras.layers.Softmax(name="probabilities", dtype="float32")
    return keras.Model(plain.inputs[0], softmax(plain.outputs[0]), name=model.name)


def with_policy(model: keras.Model, policy: str) -> keras.Model:
    """Return the same model with every layer, nested ones too, of one dtype policy."""
    with block_imports("tensorflow"):
        copy = type(model).from_config(_with_dtype(model.get_config(), policy))
    copy.set_weights(model.get_weights())
    return copy


def _with_dtype(config: object, policy: str) -> object:
    if isinstance(config, dict):
        return {
            key: policy if key == "dtype" else _with_dtype(value, policy)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_with_dtype(value, policy) for value in config)
    return config


def _card_alone(path: Path) -> dict | None:
    """Return the card of which no file is stored; None where that is not so."""
    if path.suffix != ".keras" or not card_path(path).exists():
        return None
    card = read_card(path)
    return card if card.get("remake") else None


def _path_of(path_or_name: str | os.PathLike, folder: str | os.PathLike) -> Path:
    path = Path(path_or_name)
    if path.suffix in _SUFFIXES or len(path.parts) > 1 or path.is_file():
        return path
    places = [place / f"{path_or_name}.keras" for place in model_folders(folder)]
    there = (path for path in places if path.exists() or card_path(path).exists())
    return next(there, places[0])


def _check_against_card(path: Path, content: bytes) -> None:
    received = hashlib.sha256(content).hexdigest()
    # A file made elsewhere has no card, or a JSON of its own beside it.
    if not has_card(path):
        return
    expected = read_card(path).get("sha256")
    if expected != received and read_model_file(path) == content:
        raise UserError(
            f"The model file '{path}' is not the one that its card describes (sha256 "
            f"{expected}): it was altered or replaced. Restore both files, or move "
            f"'{card_path(path)}' away to use the model as it is. Received: {received}"
        )


def _as_classifier(
    path: Path, model: keras.Model, num_classes: int | None
) -> keras.Model:
    """Return a loaded model as one of one tensor of images and one of class scores."""
    if not model.built:
        # Saved before it was called, as a `Sequential` without an `Input` may be.
        with contextlib.suppress(Exception):
            model.build((None, *IMAGE_SHAPE))
    _check_shapes(path, model, num_classes)
    graph = functional_graph(model)
    if graph is None:
        return model
    scores = graph.outputs[output_index(graph, num_classes)]
    return keras.Model(graph.inputs[0], scores, name=model.name)


def _check_shapes(path: Path, model: keras.Model, num_classes: int | None) -> None:
    takes, gives = _shapes(model, "inputs"), _shapes(model, "outputs")
    height, width, channels = IMAGE_SHAPE
    fits = (
        len(takes) == 1
        and len(takes[0]) in (2, 3)
        and takes[0][0] in (height, None)
        and takes[0][1] in (width, None)
        and takes[0][2:] in ((), (channels,))
    )
    if not fits:
        raise UserError(
            f"The model in '{path}' does not take 28 x 28 grey images; expected one "
            f"input of (28, 28, 1) or (28, 28). Received: {takes}"
        )
    fitting = [
        shape
        for shape in gives
        if len(shape) == 1 and (shape[0] or 0) > 1 and num_classes in (None, shape[0])
    ]
    if len(fitting) != 1:
        expected = num_classes or "the"
        raise UserError(
            f"The model in '{path}' does not give {expected} classes; expected one "
            f"output of ({num_classes or 'classes'},). Received: {gives}"
        )


def _shapes(model: keras.Model, side: str) -> list[tuple]:
    tensors = keras.tree.flatten(getattr(model, side, None) or ())
    return [tuple(tensor.shape[1:]) for tensor in tensors]
