"""The command that trains a model again of which the card alone is stored."""

import shlex
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.provenance import without_folder
from fmkeras.recipes import find_recipe, learns_alike
from fmkeras.training.run_dir import read_config

# Of the arguments that a run keeps: the variable of make, and what need not be said.
_DATA = {"data": "fashion-mnist", "limit": None}
_FURTHER_DATA = {
    "train_size": None,
    "test_size": None,
    "data_seed": 0,
    "resize": "stretch",
    "skip_bad": False,
}
_BEGINNING = {"init_from": None, "freeze": None}


def remake_command(card: dict, kept: Path, stored: Path) -> str:
    """Return the command of make that trains a model with the settings of its run.

    Args:
        card: of the model.
        kept: its file, in the folder of the run.
        stored: where the card is stored, which serves as a recipe file.
    """
    told = {"data": card["dataset"]["name"]} | _arguments(kept.parent)
    model = card["model"]
    words = ["make", "zoo", f"MODELS={model}"]
    further = _flags(told, _FURTHER_DATA)
    if not _is_default(card, told):
        recipe = without_folder(str(stored))
        words = ["make", "train", f"MODEL={model}", f"RECIPE={recipe}"]
        further += ["--compact", *_flags(told, _BEGINNING)]
    if card["seed"]:
        words.append(f"SEED={card['seed']}")
    for name, usual in _DATA.items():
        if told.get(name, usual) != usual:
            words.append(f"{name.upper()}={without_folder(str(told[name]))}")
    if further:
        words.append(f"ARGS={shlex.join(further)}")
    return shlex.join(words)


def _arguments(run: Path) -> dict:
    """Return how a run's data was named; nothing where Python called the training."""
    try:
        told = read_config(run).get("arguments") or {}
    except UserError:
        return {}
    return {name: value for name, value in told.items() if value is not None}


def _is_default(card: dict, told: dict) -> bool:
    """Say whether `make zoo` trains so, but for the seed and the data."""
    if card.get("options") or any(told.get(n) for n in (*_BEGINNING, "limit")):
        return False
    return learns_alike(card["recipe"], find_recipe("default", card["model"]))


def _flags(told: dict, usual: dict) -> list[str]:
    words = []
    for name, value in usual.items():
        if told.get(name, value) != value:
            words.append(f"--{name.replace('_', '-')}")
            # `True` is of a flag without a value.
            if told[name] is not True:
                words.append(without_folder(str(told[name])))
    return words
