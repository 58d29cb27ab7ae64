"""The compiled training and evaluation steps: one engine for each backend."""

import importlib
from collections.abc import Callable

import keras
import numpy as np

from fmkeras.engines.allocator import keep_freed_memory
from fmkeras.engines.engine import Engine
from fmkeras.engines.totals import MetricTotals
from fmkeras.evaluation.views import probabilities_over_views

__all__ = ["Engine", "MetricTotals", "create_engine", "keep_compiled_steps", "predict"]

_ENGINES = {
    "torch": ("fmkeras.engines.torch.engine", "TorchEngine"),
    "tensorflow": ("fmkeras.engines.tensorflow", "TensorflowEngine"),
    "jax": ("fmkeras.engines.jax", "JaxEngine"),
}


def create_engine(model: keras.Model, *args, **kwargs) -> Engine:
    """Return the engine of the current backend; the arguments are those of `Engine`."""
    keep_freed_memory()
    module, name = _ENGINES[keras.backend.backend()]
    return getattr(importlib.import_module(module), name)(model, *args, **kwargs)


def keep_compiled_steps() -> None:
    """Let the backend keep what it compiles in the user's cache folder.

    This changes settings of the whole process: it is for programs, not for libraries.
    """
    if keras.backend.backend() == "jax":
        importlib.import_module("fmkeras.engines.jax").keep_compiled_steps()


def predict(
    model: keras.Model,
    images: np.ndarray,
    batch_size: int | None = None,
    on_batch: Callable[[int], None] = lambda count: None,
    views: str = "none",
) -> np.ndarray:
    """Return the outputs of a model of grey images, float32 (n, classes).

    With `views` of `evaluation.views` they are the mean of the probabilities of
    several of each image, whatever the model gives.
    """
    engine = create_engine(model)
    if views == "none":
        return engine.predict(images, batch_size, on_batch)
    return probabilities_over_views(
        lambda seen: engine.predict(seen, batch_size, on_batch), images, views
    )
