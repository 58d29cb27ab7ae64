"""The networks: list them, read about them, build them, count what they cost."""

from fmkeras.models.catalogue import ModelInfo
from fmkeras.models.registry import (
    build_model,
    list_models,
    list_own_models,
    model_info,
    plain_name,
)
from fmkeras.models.summary import (
    count_multiply_adds,
    layer_rows,
    model_rows,
    models_table,
    show_model,
    show_rows,
)

__all__ = [
    "ModelInfo",
    "build_model",
    "count_multiply_adds",
    "layer_rows",
    "list_models",
    "list_own_models",
    "model_info",
    "model_rows",
    "models_table",
    "plain_name",
    "show_model",
    "show_rows",
]
