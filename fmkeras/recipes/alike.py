"""Whether two trainings learn in the same way, as far as recipes say."""

import dataclasses
from collections.abc import Iterable, Mapping

from fmkeras.recipes.recipe import Recipe

# Left to the machine: what they change is no more than a seed does.
HOW = ("name", "precision", "compile")
# What tells the beginning of a training: the content of its file, the frozen layers.
START = ("sha256", "frozen")
_DEFAULTS = dataclasses.asdict(Recipe())


def learned_fields(recipe: Recipe | Mapping, free: Iterable[str] = HOW) -> dict:
    """Return the fields of a recipe, or of a record's, but the `free` ones.

    A field that a record has not came later, and had its default then.
    """
    fields = dataclasses.asdict(recipe) if isinstance(recipe, Recipe) else recipe
    fields = _DEFAULTS | dict(fields)
    return {name: value for name, value in fields.items() if name not in free}


def learns_alike(
    one: Recipe | Mapping, other: Recipe | Mapping, free: Iterable[str] = HOW
) -> bool:
    """Say whether two recipes are the same but for the `free` fields."""
    return learned_fields(one, free) == learned_fields(other, free)


def as_options(content: Mapping) -> dict:
    """Return arguments of a network as it takes them, from what JSON made of them."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}


def options_alike(one: Mapping | None, other: Mapping | None) -> bool:
    """Say whether arguments of a network are the same, read from JSON or not."""
    return as_options(one or {}) == as_options(other or {})


def start_of(told: Mapping) -> dict:
    """Return what tells how the training of a card or record began; {} for anew.

    What the file was called and what its own card says do not matter.
    """
    start = told.get("start") or {}
    return {name: start[name] for name in START if name in start}


def precision_alike(asked: str | None, told: Mapping) -> bool:
    """Say whether a record, or settings, are of a precision that is asked for.

    float32 and bfloat16 are asked for, the others leave it to the machine. What was
    not told, as in old records, is no difference.
    """
    return asked not in ("float32", "bfloat16") or told.get("precision", asked) == asked


def trained_alike(one: Mapping, other: Mapping) -> bool:
    """Say whether cards or records are of one network, options, start and recipe."""
    return (
        one.get("model") == other.get("model")
        and options_alike(one.get("options"), other.get("options"))
        and start_of(one) == start_of(other)
        and learns_alike(one.get("recipe", {}), other.get("recipe", {}))
    )
