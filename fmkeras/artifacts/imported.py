"""Models whose weights came from elsewhere, saved with a card that says so."""

import math
from pathlib import Path

from fmkeras.artifacts.keras_file import save_artifact, to_inference_model
from fmkeras.datasets import Dataset
from fmkeras.engines import predict
from fmkeras.evaluation.evaluate import Evaluation, evaluate_model
from fmkeras.files import make_folder
from fmkeras.provenance import provenance


def save_imported(
    model,
    model_options: dict,
    preprocessing: str,
    origin: dict,
    dataset: Dataset | None,
    folder: str | Path,
) -> tuple[Path, Evaluation | None]:
    """Save a model of logits and its card; return the path and its test figures.

    `origin` says which file the weights came from. Without a `dataset` nothing is
    measured. Raises `UserError` where the folder cannot be written.
    """
    make_folder(folder)
    card = {
        "model": model.name,
        "options": model_options,
        "preprocessing": preprocessing,
        "imported": origin,
        "parameters": sum(math.prod(v.shape) for v in model.trainable_variables),
        **provenance(),
    }
    evaluation = None
    if dataset is not None:
        evaluation = evaluate_model(
            to_inference_model(model),
            dataset.x_test,
            dataset.y_test,
            predict,
            dataset.class_names,
        )
        facts = {"name": dataset.name, "checksum": dataset.checksum}
        card |= {"dataset": facts, "test": evaluation.to_dict()}
    return save_artifact(model, model.name, card, folder), evaluation
