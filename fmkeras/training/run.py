"""One training run: from a network's name and a recipe to a file and a record."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import keras

from fmkeras.artifacts import keras_file
from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import DataSplits, split_dataset
from fmkeras.engines import create_engine, predict
from fmkeras.engines.device import describe_device, device_kind, multiplies_bfloat16
from fmkeras.evaluation.evaluate import Evaluation, evaluate_model
from fmkeras.files import make_folder, write_json
from fmkeras.models import build_model
from fmkeras.provenance import provenance
from fmkeras.recipes import Recipe
from fmkeras.training.auto import resolve_compilation, resolve_precision
from fmkeras.training.builders import build_augmentation, build_loss, build_optimizer
from fmkeras.training.callbacks import ProgressBar, RunLog, TensorBoardLog
from fmkeras.training.checkpoint import Checkpoint
from fmkeras.training.run_dir import (
    RUNS,
    ensure_run_dir,
    interrupt_message,
    new_run_dir,
    resume_dir,
)

CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True)
class FitResult:
    """What training leaves, before the test images are read.

    Attributes:
        folder: holds config.json, history.csv, per_class.csv and the checkpoint.
        model: maps images to logits, with the kept weights.
        split: the images, those of the test too.
        history: a row an epoch, as in history.csv.
        kept_epoch: whose weights the model has; 1 is the first.
        record: the settings and what came of them, as JSON knows it.
    """

    folder: Path
    model: keras.Model
    split: DataSplits
    history: list[dict]
    kept_epoch: int
    record: dict


@dataclass(frozen=True)
class RunResult:
    """What a finished run leaves.

    Attributes:
        folder: holds config.json, history.csv, per_class.csv, record.json and more.
        artifact: the `.keras` file; its card lies beside it.
        evaluation: of the kept weights on the test images.
        record: the content of record.json.
    """

    folder: Path
    artifact: Path
    evaluation: Evaluation
    record: dict


def train(
    model_name: str,
    recipe: Recipe,
    dataset: Dataset,
    *,
    seed: int = 0,
    options: dict | None = None,
    out: str | Path = keras_file.FOLDER,
    runs: str | Path = RUNS,
    resume: str | Path | None = None,
) -> RunResult:
    """Train a network, choose its epoch, read the test set once, and save it.

    Args:
        model_name: a name of `list_models()`.
        recipe: every choice of the run.
        dataset: is divided as the recipe's `data_split` says.
        seed: of the split, the initial weights, the order and the dropout.
        options: further arguments of `build_model`.
        out: the folder of the artifact and its card.
        runs: the folder in which the run gets a folder of its own.
        resume: the folder of an interrupted run of the same settings, to go on with.

    Raises `UserError` for settings that do not work, before any training.
    """
    make_folder(out)
    if resume is None:
        folder = new_run_dir(runs, model_name, keras.backend.backend(), seed)
    else:
        folder = resume_dir(resume, runs)
    try:
        fitted = fit(
            model_name, recipe, dataset, folder=folder, seed=seed, options=options
        )
    except KeyboardInterrupt:
        if (folder / CHECKPOINT).exists():
            print(
                f"The same command with --resume {folder} goes on from there (make: "
                f"ARGS='--resume {folder}').",
                flush=True,
            )
        raise
    test = fitted.split.test
    published = keras_file.to_inference_model(fitted.model)
    evaluation = evaluate_model(published, test.images, test.labels, predict)
    record = fitted.record | {"test": evaluation.to_dict()}
    write_json(folder / "record.json", record)
    name = model_name if dataset.name != "garments" else f"{model_name}-garments"
    artifact = keras_file.save_artifact(fitted.model, name, record, out)
    return RunResult(folder, artifact, evaluation, record)


def fit(
    model_name: str,
    recipe: Recipe,
    dataset: Dataset,
    *,
    folder: str | Path,
    seed: int = 0,
    options: dict | None = None,
    callbacks: Iterable[keras.callbacks.Callback] = (),
) -> FitResult:
    """Train a network and choose its epoch; the test images are not read.

    `folder` belongs to this run alone. Where it holds an interrupted run of the same
    settings, that goes on from the last epoch it finished, and ends as if it had
    never stopped. `callbacks` are called after the run's own; the other arguments
    are those of `train`. Raises `UserError` for settings that do not work, or that
    are not those the run in `folder` was started with.
    """
    options = options or {}
    split = split_dataset(dataset, seed, recipe.data_split)
    backend = keras.backend.backend()
    precision = resolve_precision(
        recipe, model_name, backend, device_kind(), multiplies_bfloat16
    )
    count = len(split.train)
    compile_step = resolve_compilation(
        recipe, model_name, precision, count, backend, device_kind()
    )
    if compile_step:
        print(
            "A compiler works on the training step first: from seconds to minutes. "
            "--compile no goes without.",
            flush=True,
        )
    model = build_network(model_name, recipe, precision, seed, options)
    steps_per_epoch = -(-count // recipe.batch_size)
    engine = create_engine(
        model,
        build_optimizer(recipe, steps_per_epoch),
        build_loss(recipe),
        l2=recipe.l2,
        augmentation=build_augmentation(recipe),
        compile_step=compile_step,
    )
    config = {
        "model": model_name,
        "options": options,
        "recipe": recipe.to_dict(),
        "seed": seed,
        "backend": backend,
        "precision": precision,
        "compiled": compile_step,
        "dataset": describe_dataset(dataset, split),
    }
    folder = ensure_run_dir(Path(folder), config)
    facts = provenance()

    log = RunLog(engine, folder)
    checkpoint = Checkpoint(engine, log, folder / CHECKPOINT, recipe.keep)
    if checkpoint.path.exists():
        checkpoint.restore()
    bar = ProgressBar(count, recipe.batch_size)
    board = TensorBoardLog(engine, folder / "tensorboard")
    try:
        engine.fit(
            split.train,
            split.validation,
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            seed=seed,
            initial_epoch=checkpoint.epochs_done,
            callbacks=[log, checkpoint, board, bar, *callbacks],
        )
    except KeyboardInterrupt:
        print(interrupt_message(folder, checkpoint.epochs_done), flush=True)
        raise
    finally:
        bar.close()
        board.close()

    model.set_weights(checkpoint.kept_weights)
    row = log.history[checkpoint.kept_epoch - 1]
    record = {
        **config,
        "device": describe_device(),
        "parameters": sum(math.prod(v.shape) for v in model.trainable_variables),
        "epochs": recipe.epochs,
        "kept_epoch": checkpoint.kept_epoch,
        # Of training alone, interrupted runs too.
        "seconds": round(sum(row["seconds"] for row in log.history), 1),
        "train": {"loss": row["loss"], "accuracy": row["accuracy"]},
        "history": _columns(log.history),
        **facts,
    }
    if split.validation is not None:
        figures = {"loss": row["val_loss"], "accuracy": row["val_accuracy"]}
        record["validation"] = figures
    return FitResult(folder, model, split, log.history, checkpoint.kept_epoch, record)


def describe_dataset(dataset: Dataset, split: DataSplits) -> dict:
    """Return what a record says of the images."""
    return {
        "name": dataset.name,
        "checksum": dataset.checksum,
        "source": dataset.source,
        "train": len(split.train),
        "validation": 0 if split.validation is None else len(split.validation),
        "test": len(split.test),
    }


def _columns(history: list[dict]) -> dict[str, list[float]]:
    """Return each logged figure over the epochs, to six digits."""
    return {
        name: [float(f"{row[name]:.6g}") for row in history]
        for name in history[0]
        if name != "epoch"
    }


def build_network(
    model_name: str, recipe: Recipe, precision: str, seed: int, options: dict
) -> keras.Model:
    """Build a network as a recipe has it; `precision` is float32 or bfloat16.

    `options` are further arguments of `build_model`.
    """
    before = keras.config.dtype_policy()
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
    keras.config.set_dtype_policy(policy)
    try:
        return build_model(
            model_name,
            preprocessing=recipe.preprocessing,
            init=recipe.init,
            seed=seed,
            **options,
        )
    finally:
        keras.config.set_dtype_policy(before)
