"""The recipes: the published ones, our own for each network, and those in files.

`find_recipe` takes `default`, this project's own for each network, chosen on the
validation images; `published`, that of the network's source; the name of any published
one; or a JSON file such as a run's config.json.
"""

import dataclasses
import json
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.models import model_info
from fmkeras.recipe import CHOICES, OPTIMIZERS, Recipe

__all__ = [
    "CHOICES",
    "OPTIMIZERS",
    "PUBLISHED",
    "Recipe",
    "complete_changes",
    "find_options",
    "find_recipe",
]

# Where the sources are silent: PyTorch's default initial weights, and the weights of
# the last epoch, for they train on all 60,000 images and have none to choose by. They
# train in float32.
_SOURCE = Recipe(init="torch", keep="last", data_split="full", precision="float32")
_FASHIONNET = dataclasses.replace(
    _SOURCE,
    name="fashionnet",
    epochs=60,
    batch_size=1024,
    optimizer="adamw",
    learning_rate=3e-3,
    weight_decay=1e-5,
    amsgrad=True,
    schedule="step",
    step_epochs=25,
    step_factor=0.1,
    preprocessing="standardise",
    data_split="fashionnet",
)
_LONG = dataclasses.replace(
    _SOURCE, epochs=300, batch_size=64, learning_rate=1e-4, l2=1e-5
)
PUBLISHED = {
    recipe.name: recipe
    for recipe in (
        dataclasses.replace(
            _SOURCE,
            name="fashioncnn",
            epochs=100,
            batch_size=128,
            optimizer="ranger21",
            learning_rate=0.01,
            weight_decay=1e-4,
        ),
        _FASHIONNET,
        # A later notebook of the same source.
        dataclasses.replace(
            _FASHIONNET, name="fashionnet-augmented", rotation=20.0, flip=True
        ),
        # The best points of the two grids, as their source has them; the grids
        # themselves are spaces of `make tune`.
        dataclasses.replace(_SOURCE, name="batch-lr-grid", epochs=10, batch_size=10),
        dataclasses.replace(
            _SOURCE,
            name="standardise-grid",
            epochs=20,
            batch_size=20,
            preprocessing="standardise",
        ),
        dataclasses.replace(
            _SOURCE,
            name="lenet-relu-final",
            epochs=20,
            batch_size=20,
            preprocessing="standardise",
        ),
        dataclasses.replace(
            _SOURCE, name="logistic", epochs=100, batch_size=32, l2=1e-4
        ),
        dataclasses.replace(_LONG, name="mlp"),
        dataclasses.replace(_LONG, name="cnn"),
        # The source does not say whether SGD or Adam, nor the rate.
        dataclasses.replace(_SOURCE, name="tinyvgg", epochs=10, batch_size=32),
    )
}

# This project's own, and where single networks depart from it.
_COMMON = Recipe(
    name="default",
    epochs=20,
    batch_size=128,
    optimizer="adamw",
    learning_rate=2e-3,
    schedule="cosine",
    warmup_epochs=1.0,
    weight_decay=1e-2,
    preprocessing="standardise",
)
_DEFAULTS: dict[str, dict] = {
    "mynet": {"epochs": 50, "flip": True, "crop_padding": 1},
    # Sigmoids learn slowly: they want a high rate and many epochs.
    "lenet": {"epochs": 40, "learning_rate": 8e-3, "flip": True, "crop_padding": 1},
    "fashionnet": {
        "epochs": 40,
        "learning_rate": 3e-3,
        "flip": True,
        "crop_padding": 1,
    },
    "lenet_relu": {
        "epochs": 40,
        "learning_rate": 4e-3,
        "flip": True,
        "crop_padding": 1,
    },
    "mlp": {"weight_decay": 0.1},
    "cnn": {"epochs": 40, "flip": True, "crop_padding": 1},
}


def find_recipe(name_or_path: str, model_name: str) -> Recipe:
    """Return a recipe for a network by name, or from a JSON file.

    A file holds the fields of a `Recipe`, or has them under 'recipe', as the
    config.json of a run does. Raises `UserError` for an unknown name or a bad file.
    """
    if name_or_path == "default":
        return dataclasses.replace(_COMMON, **_DEFAULTS.get(model_name, {}))
    if name_or_path == "published":
        return PUBLISHED[model_info(model_name).recipe]
    if name_or_path in PUBLISHED:
        return PUBLISHED[name_or_path]
    path = Path(name_or_path)
    if path.suffix != ".json":
        raise UserError(
            f"Unknown recipe; expected default, published, {', '.join(PUBLISHED)}, or "
            f"the path of a .json file. Received: {name_or_path!r}"
        )
    return _read_recipe(path)


def find_options(name_or_path: str, model_name: str) -> dict:
    """Return the options of the network that go with a recipe: those of a run's file.

    Such a file, config.json or a search's best.json, names the network it is of; for
    another network, or with a recipe alone, there are none.
    """
    path = Path(name_or_path)
    content = _read_json(path) if path.suffix == ".json" else {}
    if not isinstance(content, dict) or content.get("model") != model_name:
        return {}
    options = content.get("options", {})
    return {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}


def complete_changes(recipe: Recipe, changes: dict) -> dict:
    """Return changes of a recipe with those that another optimizer brings.

    The recipe's weight decay and schedule were chosen for its own optimizer: with
    another they are none and constant, unless they are changed too.
    """
    if changes.get("optimizer", recipe.optimizer) != recipe.optimizer:
        changes = {"weight_decay": 0.0} | changes
        if changes["optimizer"] == "ranger21":
            changes = {"schedule": "constant", "warmup_epochs": 0.0} | changes
    return changes


def _read_json(path: Path):
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise UserError(
            f"Cannot read the recipe file '{path}' ({error.strerror}); expected a "
            ".json file: check the path."
        ) from error
    except ValueError as error:
        raise UserError(
            f"The recipe file '{path}' is no valid JSON ({error}); expected the "
            "fields of a recipe."
        ) from error


def _read_recipe(path: Path) -> Recipe:
    content = _read_json(path)
    if isinstance(content, dict) and "recipe" in content:
        content = content["recipe"]
    known = {field.name for field in dataclasses.fields(Recipe)}
    if not isinstance(content, dict) or not set(content) <= known:
        received = (
            sorted(set(content) - known) if isinstance(content, dict) else content
        )
        raise UserError(
            f"The recipe file '{path}' holds unknown fields; expected some of: "
            f"{', '.join(sorted(known))}. Received: {received}"
        )
    return Recipe(**content)
