"""What a training is, in the lines that stand above its first epoch."""

import math
from collections.abc import Callable
from pathlib import Path

import keras

from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import DataSplits
from fmkeras.engines.device import num_threads
from fmkeras.recipes import Recipe
from fmkeras.text.counts import counted
from fmkeras.text.values import value_text
from fmkeras.training.auto import Execution
from fmkeras.training.teacher import teacher_warning


def header_lines(
    model_name: str,
    dataset: Dataset,
    split: DataSplits,
    recipe: Recipe,
    execution: Execution,
    seed: int,
) -> list[str]:
    """Return network, data, recipe and precision of a training, in lines."""
    validation = 0 if split.validation is None else len(split.validation)
    images = f"{len(split.train):,} training"
    if validation:
        images += f", {validation:,} validation"
    name = Path(model_name).stem if model_name.endswith(".keras") else model_name
    compiled = ", compiled" if execution.compile else ""
    schedule = "" if recipe.schedule == "constant" else f", {recipe.schedule} schedule"
    lines = [
        f"{name} on {dataset.name} ({dataset.source})",
        f"Images {images} and {len(split.test):,} test",
        f"Recipe {recipe.name}: {counted(recipe.epochs, 'epoch')}, "
        f"batch {recipe.batch_size}, {recipe.optimizer} at "
        f"{value_text(recipe.learning_rate)}{schedule}",
        f"Precision {execution.precision}{compiled}, {num_threads()} threads, "
        f"seed {seed}",
    ]
    if execution.reason:
        lines.append(f"auto: {execution.reason}")
    if execution.warning:
        lines.append(f"Warning: {execution.warning}")
    if warning := teacher_warning(recipe, dataset, split):
        lines.append(f"Warning: {warning}")
    return lines


class ParametersLine(keras.callbacks.Callback):
    """Says how many weights a model has, when its training begins."""

    def __init__(self, log: Callable[[str], None] = print) -> None:
        super().__init__()
        self.log = log

    def on_train_begin(self, logs=None):
        count = self.model.count_params()
        trained = sum(math.prod(w.shape) for w in self.model.trainable_weights)
        text = f"Parameters {count:,}"
        if trained != count:
            text += f", {trained:,} of them trained"
        self.log(text)
