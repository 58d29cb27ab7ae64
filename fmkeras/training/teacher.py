"""The trained model that a recipe learns from, besides the labels."""

import hashlib

import numpy as np

from fmkeras.artifacts.keras_file import find_artifact, with_policy
from fmkeras.artifacts.lookup import card_or_empty, load_for_dataset, validation_subset
from fmkeras.artifacts.pixels import SAMPLE
from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import DataSplits
from fmkeras.engines import predict
from fmkeras.engines.distillation import Teacher
from fmkeras.evaluation.evaluate import output_kind
from fmkeras.recipes import Recipe
from fmkeras.records import SAVED_MODELS
from fmkeras.training.start import to_logits


def build_teacher(recipe: Recipe, precision: str, dataset: Dataset) -> Teacher | None:
    """Return the model that a recipe learns from, its weights from a file, if any.

    Raises `UserError` for a file that cannot be used, or whose classes are not those of
    the data.
    """
    if not recipe.teacher:
        return None
    model = to_logits(load_for_dataset(recipe.teacher, SAVED_MODELS, dataset))
    # Of a model made elsewhere the last layer need not tell.
    outputs = predict(model, dataset.x_train[:SAMPLE])
    gives_logits = output_kind(outputs) == "logits"
    if precision == "bfloat16":
        model = with_policy(model, "mixed_bfloat16")
    return Teacher(model, recipe.temperature, recipe.distillation_share, gives_logits)


def describe_teacher(path_or_name: str) -> dict:
    """Return what a record says of the model that a run learns from."""
    path = find_artifact(path_or_name, SAVED_MODELS)
    card = card_or_empty(path)
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "data_split": card.get("recipe", {}).get("data_split"),
        "seed": card.get("seed"),
    }


def teacher_warning(recipe: Recipe, dataset: Dataset, split: DataSplits) -> str | None:
    """Return a sentence where the teacher may know images that are to validate."""
    if not recipe.teacher or split.validation is None:
        return None
    card = card_or_empty(recipe.teacher)
    own = validation_subset(card, dataset) if card else None
    if own is not None and np.array_equal(own.images, split.validation.images):
        return None
    return (
        f"the teacher '{recipe.teacher}' may have been trained on images that are to "
        "validate here: what they choose is biased a little."
    )
