"""The record of a run: its settings and results."""

import math

import keras

from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import DataSplits
from fmkeras.labels import CLASS_NAMES
from fmkeras.provenance import without_folder
from fmkeras.training.auto import Execution


def describe_dataset(dataset: Dataset, split: DataSplits) -> dict:
    """Return the record's description of the data set."""
    classes = {}
    if dataset.class_names != CLASS_NAMES:
        classes = {"classes": list(dataset.class_names)}
    return {
        "name": dataset.name,
        **classes,
        "checksum": dataset.checksum,
        # May name files, as csv does: "TRAIN.csv, TEST.csv".
        "source": ", ".join(map(without_folder, dataset.source.split(", "))),
        "train": len(split.train),
        "validation": 0 if split.validation is None else len(split.validation),
        "test": len(split.test),
    }


def describe_run(
    config: dict,
    execution: Execution,
    model: keras.Model,
    history: list[dict],
    kept_epoch: int,
    facts: dict,
) -> dict:
    """Return the content of record.json for a finished training.

    `config` and `facts` (see `provenance`) are part of it; `history` has a row an
    epoch, of which `kept_epoch` (1 is the first) is the one whose weights are kept.
    """
    row = history[kept_epoch - 1]
    record = {
        **config,
        "device": execution.device,
        "parameters": sum(math.prod(v.shape) for v in model.trainable_variables),
        "epochs": config["recipe"]["epochs"],
        "kept_epoch": kept_epoch,
        # Of training alone, interrupted runs too.
        "seconds": round(sum(row["seconds"] for row in history), 1),
        "train": {"loss": row["loss"], "accuracy": row["accuracy"]},
        "history": _columns(history),
        **facts,
    }
    if len(history) < config["recipe"]["epochs"]:
        record["stopped_after"] = len(history)
    if "val_loss" in row:
        figures = {"loss": row["val_loss"], "accuracy": row["val_accuracy"]}
        record["validation"] = figures
    return record


def _columns(history: list[dict]) -> dict[str, list[float]]:
    """Return each logged figure over the epochs, to six digits."""
    return {
        name: [float(f"{row[name]:.6g}") for row in history]
        for name in history[0]
        if name != "epoch"
    }
