"""Recipes by name or from a file.

`find_recipe` takes `default`, this project's own for each network, chosen on the
validation images; `published`, that of the network's source; the name of any published
one; or a JSON file such as a run's config.json.
"""

import dataclasses
from pathlib import Path

from fmkeras.errors import UserError, did_you_mean
from fmkeras.files.reading import read_json, reason_of
from fmkeras.models import model_info, plain_name
from fmkeras.recipes.alike import as_options
from fmkeras.recipes.defaults import DEFAULT_RECIPE, DEFAULTS
from fmkeras.recipes.published import PUBLISHED
from fmkeras.recipes.recipe import Recipe

_FIELDS = [field.name for field in dataclasses.fields(Recipe)]
# Of a file; the recipe itself checks its fields.
FORM = {"recipe?": dict, "model?": str, "options?": dict}
# What PyTorch calls `weight_decay` of these is an L2 term.
_L2_BY_NAME = ("adam", "rmsprop", "sgd")
# The others take steps of the size of the rate, whatever the gradient; these do not
# (convention but for muon's, which the studies use).
_RATES = {"muon": 0.05, "sgd": 0.05}
_RATE_OF_OTHERS = 2e-3


def find_recipe(name_or_path: str, model_name: str) -> Recipe:
    """Return a recipe for a network by name, or from a JSON file.

    A file holds the fields of a `Recipe`, or has them under 'recipe', as the
    config.json of a run does. Raises `UserError` for an unknown name or a bad file.
    """
    if name_or_path == "default":
        own = DEFAULTS.get(plain_name(model_name), {})
        return dataclasses.replace(DEFAULT_RECIPE, **own)
    if name_or_path == "published":
        name = model_info(model_name).recipe
        if name is None:
            raise UserError(
                f"The network {model_name} is this project's own and has no published "
                "recipe; expected default, a published one by its name, or a .json "
                "file. Received: 'published'"
            )
        return PUBLISHED[name]
    if name_or_path in PUBLISHED:
        return PUBLISHED[name_or_path]
    path = Path(name_or_path)
    if path.suffix != ".json":
        raise UserError(
            f"Unknown recipe; expected default, published, {', '.join(PUBLISHED)}, or "
            "the path of a .json file."
            f"{did_you_mean(name_or_path, ('default', 'published', *PUBLISHED))} "
            f"Received: {name_or_path!r}"
        )
    return _read_recipe(path)


def find_options(name_or_path: str, model_name: str) -> dict:
    """Return the network's arguments that are stored with a recipe.

    The config.json of a run and the best.json of a search hold them, for the network
    they name; for another network, or with a recipe alone, there are none.
    """
    path = Path(name_or_path)
    content = _read_json(path) if path.suffix == ".json" else {}
    if content.get("model") != plain_name(model_name):
        return {}
    return as_options(content.get("options", {}))


def complete_changes(recipe: Recipe, changes: dict) -> dict:
    """Return changes of a recipe, completed where the optimizer changes.

    The recipe's weight decay, L2 term, rate and schedule were chosen for its own
    optimizer. With another one both decays are 0, the schedule of ranger21 is constant,
    and the rate from or to muon and sgd is a usual one, unless they are changed too.
    SGD in place of a published recipe's optimizer is PyTorch's, without momentum, as
    the sources have it, and keeps the rate. A weight decay that is asked for with adam,
    rmsprop or sgd is what PyTorch means by it there: `l2`. Only a recipe file gives sgd
    a decoupled one. Raises `UserError` for what is no field of a recipe.
    """
    for name in changes:
        if name not in _FIELDS:
            raise UserError(
                f"A recipe has no such field; expected one of {len(_FIELDS)}: see "
                f"help(Recipe).{did_you_mean(name, _FIELDS)} Received: {name!r}"
            )
    optimizer = changes.get("optimizer", recipe.optimizer)
    if optimizer in _L2_BY_NAME and "weight_decay" in changes:
        changes = {"l2": changes["weight_decay"]} | changes
        changes["weight_decay"] = 0.0
    if optimizer != recipe.optimizer:
        changes = {"weight_decay": 0.0, "l2": 0.0} | changes
        if optimizer == "ranger21":
            changes = {"schedule": "constant", "warmup_epochs": 0.0} | changes
        # By its name, which has a plus where other fields were changed before.
        published = recipe.name.removesuffix("+") in PUBLISHED
        if published and optimizer == "sgd":
            changes = {"momentum": 0.0} | changes
        elif {optimizer, recipe.optimizer} & set(_RATES):
            rate = _RATES.get(optimizer, _RATE_OF_OTHERS)
            changes = {"learning_rate": rate} | changes
            if optimizer == "muon":
                changes = {"momentum": Recipe.momentum} | changes
    return changes


def _read_json(path: Path):
    try:
        return read_json(path, FORM)
    except OSError as error:
        raise UserError(
            f"Cannot read the recipe file '{path}' ({error.strerror}); expected a "
            ".json file: check the path."
        ) from error
    except ValueError as error:
        raise UserError(
            f"The recipe file '{path}' is not valid ({reason_of(error)}); expected "
            "JSON with the fields of a recipe."
        ) from error


def _read_recipe(path: Path) -> Recipe:
    content = _read_json(path)
    content = content.get("recipe", content)
    if not set(content) <= set(_FIELDS):
        unknown = sorted(set(content) - set(_FIELDS))
        raise UserError(
            f"The recipe file '{path}' holds unknown fields; expected some of: "
            f"{', '.join(sorted(_FIELDS))}.{did_you_mean(unknown[0], _FIELDS)} "
            f"Received: {', '.join(unknown):.200}"
        )
    return Recipe(**content)
