"""Why Keras cannot rebuild a model: the cause, and the Keras that wrote the file."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import shorten

import keras

from fmkeras.errors import UserError

# Packages whose classes Keras has itself, whichever of its versions wrote them.
STOCK = ("keras", "tf_keras", "keras_core", "tensorflow", "builtins")


def load_error(path: Path, config: dict, version: str, error: Exception) -> UserError:
    """Return what to tell the user of a model that cannot be rebuilt.

    `config` is the content of config.json, `version` the Keras that wrote it, `error`
    what Keras raised.
    """
    for node in _nodes({**config, "compile_config": None}):
        package = str(node.get("module") or "keras").partition(".")[0]
        if package not in STOCK or node["class_name"] in ("Lambda", "__lambda__"):
            return UserError(
                f"The model file '{path}', written by Keras {version}, holds code of "
                "its own, which is not run; expected stock Keras layers: rebuild the "
                f"model from these. Received: {node['class_name']}"
            )
    # Keras nests its messages, the cause last, each with a whole config in it.
    cause = str(error).rpartition("Exception encountered:")[2]
    for start in ("Full object config:", "Make sure custom classes"):
        cause = cause.partition(start)[0]
    advice = ""
    if version.startswith("2."):
        advice = (
            "; Keras 2 describes layers in another form: build the model in Keras 3 "
            "and give it the weights that the package tf_keras reads"
        )
    elif version != keras.__version__:
        advice = f"; load it with Keras {version} and save it without what this lacks"
    return UserError(
        f"Keras {keras.__version__} cannot rebuild the model in '{path}', which Keras "
        f"{version} wrote{advice}. Received: {shorten(cause, 500)}"
    )


def _nodes(config: object) -> Iterator[dict]:
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        config = list(config.values())
    for value in config if isinstance(config, list) else ():
        yield from _nodes(value)
