"""Whether two trainings learn in the same way, as far as recipes say."""

import dataclasses
from collections.abc import Mapping

from fmkeras.recipes.recipe import Recipe

# Left to the machine: what they change is no more than a seed does.
_HOW = ("name", "precision", "compile")


def learned_fields(recipe: Recipe | Mapping) -> dict:
    """Return the fields of a recipe, or of a record's, but name, precision, compile.

    A field that a record has not came later, and had its default then.
    """
    fields = dataclasses.asdict(recipe) if isinstance(recipe, Recipe) else recipe
    fields = dataclasses.asdict(Recipe()) | dict(fields)
    return {name: value for name, value in fields.items() if name not in _HOW}


def learns_alike(one: Recipe | Mapping, other: Recipe | Mapping) -> bool:
    """Say whether two recipes are the same but for name, precision and compile."""
    return learned_fields(one) == learned_fields(other)
