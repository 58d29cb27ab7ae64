"""Image classifiers on Fashion-MNIST, written once as Keras 3 functional models.

The public names are below; docs/python.md describes them. `KERAS_BACKEND` (torch,
tensorflow or jax) chooses the backend and is read when keras is first imported, so
this module imports nothing: a name is loaded when it is first used. Where keras is
imported already, it learns to load what is saved with our metric and optimizer.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmkeras.api import (
        compare,
        evaluate,
        load_model,
        predict_images,
        train,
    )
    from fmkeras.datasets import load_dataset
    from fmkeras.datasets.augmentation import Augmentation
    from fmkeras.evaluation.confusion import ConfusionMatrix
    from fmkeras.models import build_model, list_models
    from fmkeras.optimizers import Ranger21
    from fmkeras.recipes import Recipe, find_recipe
    from fmkeras.training.any_model import fit, predict
    from fmkeras.training.per_class import PerClassMetrics

__version__ = "0.1.0"

__all__ = [
    "Augmentation",
    "ConfusionMatrix",
    "PerClassMetrics",
    "Ranger21",
    "Recipe",
    "build_model",
    "compare",
    "evaluate",
    "find_recipe",
    "fit",
    "list_models",
    "load_dataset",
    "load_model",
    "predict",
    "predict_images",
    "train",
]

_MODULES = {
    "fmkeras.api": ("compare", "evaluate", "load_model", "predict_images", "train"),
    "fmkeras.datasets": ("load_dataset",),
    "fmkeras.datasets.augmentation": ("Augmentation",),
    "fmkeras.evaluation.confusion": ("ConfusionMatrix",),
    "fmkeras.models": ("build_model", "list_models"),
    "fmkeras.optimizers": ("Ranger21",),
    "fmkeras.recipes": ("Recipe", "find_recipe"),
    "fmkeras.training.any_model": ("fit", "predict"),
    "fmkeras.training.per_class": ("PerClassMetrics",),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module 'fmkeras' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if "keras" in sys.modules:
    # So that `keras.models.load_model` knows them by the names in a file.
    for _name in ("ConfusionMatrix", "Ranger21"):
        __getattr__(_name)
