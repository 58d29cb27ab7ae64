"""Recipes: how a network is trained, as plain data."""

from fmkeras.recipes.lookup import complete_changes, find_options, find_recipe
from fmkeras.recipes.published import PUBLISHED
from fmkeras.recipes.recipe import CHOICES, OPTIMIZERS, Recipe

__all__ = [
    "CHOICES",
    "OPTIMIZERS",
    "PUBLISHED",
    "Recipe",
    "complete_changes",
    "find_options",
    "find_recipe",
]
