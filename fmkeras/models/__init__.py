"""The networks: list them, read about them, build them."""

from fmkeras.models.catalogue import ModelInfo
from fmkeras.models.registry import build_model, list_models, model_info

__all__ = ["ModelInfo", "build_model", "list_models", "model_info"]
