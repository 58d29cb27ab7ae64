"""Training and prediction of any Keras classifier, as its `compile` says."""

import importlib

import keras

from fmkeras.engines.allocator import keep_freed_memory
from fmkeras.engines.compiled.base import CompiledEngine

__all__ = ["CompiledEngine", "create_compiled_engine"]

_ENGINES = {
    "torch": "TorchCompiledEngine",
    "tensorflow": "TensorflowCompiledEngine",
    "jax": "JaxCompiledEngine",
}


def create_compiled_engine(model: keras.Model) -> CompiledEngine:
    """Return the engine of the backend that runs, for a model of one input."""
    keep_freed_memory()
    backend = keras.backend.backend()
    module = importlib.import_module(f"fmkeras.engines.compiled.{backend}")
    return getattr(module, _ENGINES[backend])(model)
