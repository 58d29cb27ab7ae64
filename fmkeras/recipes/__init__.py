"""Recipes: how a network is trained, as plain data."""

from fmkeras.recipes.alike import (
    HOW,
    START,
    as_options,
    learned_fields,
    learns_alike,
    options_alike,
    precision_alike,
    start_of,
    trained_alike,
)
from fmkeras.recipes.lookup import (
    complete_changes,
    find_options,
    find_recipe,
)
from fmkeras.recipes.published import FAULTS, PUBLISHED
from fmkeras.recipes.recipe import CHOICES, OPTIMIZERS, Recipe

__all__ = [
    "CHOICES",
    "FAULTS",
    "HOW",
    "OPTIMIZERS",
    "PUBLISHED",
    "START",
    "Recipe",
    "as_options",
    "complete_changes",
    "find_options",
    "find_recipe",
    "learned_fields",
    "learns_alike",
    "options_alike",
    "precision_alike",
    "start_of",
    "trained_alike",
]
