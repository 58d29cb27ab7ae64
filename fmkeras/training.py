"""One training run: from a network's name and a recipe to a file and a record."""

import datetime
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import keras

from fmkeras import artifacts
from fmkeras.callbacks import Checkpoint, ProgressBar, RunLog, TensorBoardLog
from fmkeras.datasets import Dataset
from fmkeras.engines import create_engine, predict
from fmkeras.engines.device import describe_device
from fmkeras.errors import UserError
from fmkeras.evaluation import Evaluation, evaluate_model
from fmkeras.files import make_folder, write_json
from fmkeras.models import build_model
from fmkeras.objectives import build_loss, build_optimizer
from fmkeras.pipeline import split_dataset
from fmkeras.provenance import provenance
from fmkeras.recipes import Recipe

RUNS = "runs"
CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True)
class Run:
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
    out: str | Path = artifacts.FOLDER,
    runs: str | Path = RUNS,
    resume: str | Path | None = None,
) -> Run:
    """Train a network, choose its epoch, read the test set once, and save it.

    Args:
        model_name: a name of `list_models()`.
        recipe: every choice of the run.
        dataset: 5,000 of its training images are set aside for validation.
        seed: of the split, the initial weights, the order and the dropout.
        options: further arguments of `build_model`.
        out: the folder of the artifact and its card.
        runs: the folder in which the run gets a folder of its own.
        resume: the folder of an interrupted run of the same settings, to go on with.

    Raises `UserError` for settings that do not work, before any training.
    """
    options = options or {}
    make_folder(out)
    split = split_dataset(dataset, seed)
    precision = "float32" if recipe.precision == "auto" else recipe.precision
    model = _build(model_name, recipe, precision, seed, options)
    steps_per_epoch = -(-len(split.train) // recipe.batch_size)
    engine = create_engine(
        model,
        build_optimizer(recipe, steps_per_epoch),
        build_loss(recipe),
        l2=recipe.l2,
    )
    config = {
        "model": model_name,
        "options": options,
        "recipe": recipe.to_dict(),
        "seed": seed,
        "backend": keras.backend.backend(),
        "precision": precision,
        "dataset": describe_dataset(dataset, split),
    }
    folder = _run_folder(runs, resume, config)
    facts = provenance()

    log = RunLog(engine, folder)
    checkpoint = Checkpoint(engine, log, folder / CHECKPOINT)
    if resume and checkpoint.path.exists():
        checkpoint.restore()
    bar = ProgressBar(len(split.train), recipe.batch_size)
    board = TensorBoardLog(engine, folder / "tensorboard")
    started = time.perf_counter()
    try:
        engine.fit(
            split.train,
            split.validation,
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            seed=seed,
            initial_epoch=checkpoint.epochs_done,
            callbacks=[log, checkpoint, board, bar],
        )
    except KeyboardInterrupt:
        print(_kept(folder, checkpoint.epochs_done), flush=True)
        raise
    finally:
        bar.close()
        board.close()

    seconds = time.perf_counter() - started
    kept = recipe.epochs
    if recipe.keep == "best":
        model.set_weights(checkpoint.best_weights)
        kept = checkpoint.best_epoch
    published = artifacts.publishable(model)
    evaluation = evaluate_model(
        published, split.test.images, split.test.labels, predict
    )
    row = log.history[kept - 1]
    record = {
        **config,
        "device": describe_device(),
        "parameters": sum(math.prod(v.shape) for v in model.trainable_variables),
        "epochs": recipe.epochs,
        "kept_epoch": kept,
        "seconds": round(seconds, 1),
        "validation": {"loss": row["val_loss"], "accuracy": row["val_accuracy"]},
        "test": evaluation.to_dict(),
        **facts,
    }
    write_json(folder / "record.json", record)
    name = model_name if dataset.name != "garments" else f"{model_name}-garments"
    artifact = artifacts.save_artifact(model, name, record, out)
    return Run(folder, artifact, evaluation, record)


def describe_dataset(dataset: Dataset, split) -> dict:
    """Return what a record says of the images."""
    return {
        "name": dataset.name,
        "checksum": dataset.checksum,
        "source": dataset.source,
        "train": len(split.train),
        "validation": len(split.validation),
        "test": len(split.test),
    }


def _build(model_name, recipe, precision, seed, options) -> keras.Model:
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


def _run_folder(runs, resume, config: dict) -> Path:
    if resume is None:
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
        name = f"{stamp}-{config['model']}-{config['backend']}-seed{config['seed']}"
        folder = make_folder(Path(runs) / name)
        write_json(folder / "config.json", config)
        return folder
    folder = Path(resume)
    try:
        settings = dict(json.loads((folder / "config.json").read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise UserError(
            "There is no run to resume; expected a folder with a config.json, as "
            f"each run has in '{runs}'. Received: {str(folder)!r}"
        ) from error
    # As JSON has it: a tuple of options comes back as a list.
    for key, value in json.loads(json.dumps(config)).items():
        if settings.get(key) != value:
            raise UserError(
                f"The run '{folder}' had another {key}; expected the settings it was "
                f"started with: {settings.get(key)}. Received: {value}"
            )
    return folder


def _kept(folder: Path, epochs_done: int) -> str:
    if not epochs_done:
        return "\nInterrupted before an epoch was finished: nothing was kept."
    return (
        f"\nInterrupted. Kept up to epoch {epochs_done} in {folder}; the same command "
        f"with --resume {folder} goes on from there (make: ARGS='--resume {folder}')."
    )
