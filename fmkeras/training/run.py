"""One training run: from a network's name and a recipe to a file and a record."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import keras

from fmkeras.artifacts import keras_file
from fmkeras.datasets import Dataset
from fmkeras.engines import parallel, predict
from fmkeras.evaluation.evaluate import Evaluation, evaluate_model
from fmkeras.files import make_folder, write_json
from fmkeras.process import signals
from fmkeras.recipes import Recipe
from fmkeras.records import RUNS
from fmkeras.training.auto import Execution
from fmkeras.training.builders import build_augmentation
from fmkeras.training.compact import compact_model
from fmkeras.training.failure import told_of_room
from fmkeras.training.fit import FitResult, fit
from fmkeras.training.inference import inference_figures
from fmkeras.training.publish import publish_card, publish_model
from fmkeras.training.replace import is_card_alone
from fmkeras.training.run_dir import (
    RECORD,
    artifact_name,
    naming_the_run,
    new_run_dir,
    resume_dir,
    resume_text,
)
from fmkeras.training.trackers import opened_trackers


@dataclass(frozen=True)
class RunResult:
    """The result of a finished run.

    Attributes:
        folder: holds config.json, history.csv, per_class.csv, record.json and more.
        artifact: the `.keras` file, in `out` or else in `folder`, its card beside it;
            None where none was asked for.
        evaluation: of the kept weights on the test images.
        record: the content of record.json.
        note: why the artifact is where it is, in a line.
    """

    folder: Path
    artifact: Path | None
    evaluation: Evaluation
    record: dict
    note: str = ""

    def __repr__(self) -> str:
        return (
            f"RunResult(artifact={str(self.artifact)!r}, "
            f"evaluation={self.evaluation!r}, folder={str(self.folder)!r})"
        )

    def _repr_html_(self) -> str:
        head = f"<p><code>{escape(str(self.artifact))}</code></p>"
        return f"{head}\n{self.evaluation._repr_html_()}"


def train(
    model_name: str,
    recipe: Recipe,
    dataset: Dataset,
    *,
    seed: int = 0,
    model_options: dict | None = None,
    execution: Execution | None = None,
    out: str | Path | None = keras_file.FOLDER,
    runs: str | Path = RUNS,
    resume: str | Path | None = None,
    arguments: dict | None = None,
    save: str = "better",
    callbacks: Iterable[keras.callbacks.Callback] = (),
    init_from: str | Path | None = None,
    freeze: str | None = None,
    compact: bool = False,
    log: Iterable[str] = (),
) -> RunResult | None:
    """Train a network, choose the best epoch, evaluate the test set once, and save.

    Args:
        model_name: a name of `list_models()`, or the path of a `.keras` file, whose
            architecture is trained anew.
        recipe: every choice of the run.
        dataset: is divided as the recipe's `data_split` says.
        seed: seed for the split, the initial weights, the batch order and the dropout.
        model_options: further arguments of `build_model`.
        execution: precision and compilation; resolved from the recipe by default.
        out: the folder of the artifact and its card; None for no artifact.
        runs: the folder that gets a subfolder for the run.
        resume: the folder of an interrupted run of the same settings, to go on with;
            `last` for the newest in `runs`.
        arguments: how to find the data again, kept in config.json for resuming.
        save: whether the model, which is kept in the folder of the run, is put into
            `out` too where there is one of its name: always, never, or better, which
            puts it there if it is better on the same validation images.
        callbacks: called after the run's own.
        init_from: a `.keras` file, or a name of saved_models, whose weights training
            begins with; its last layer is made anew where the classes are others.
        freeze: the name of a layer; up to it no layer is trained.
        compact: put a file of rounded weights into `out` where that of the run is
            large, and the card alone where it is very large (see `compact_model`).
        log: mlflow, wandb or both, where the run is logged too (see `trackers`).

    Raises `UserError` for settings that do not work, before any training, and
    `TrainingInterrupted`, a `KeyboardInterrupt`, where Ctrl-C ended it.

    Of several processes that train together only the first evaluates, writes files and
    returns a result; the others return None.
    """
    processes = parallel.current()
    if out is not None and processes.leads:
        make_folder(out)
    if resume is None:
        folder = new_run_dir(runs, Path(model_name).stem, keras.backend.backend(), seed)
    else:
        folder = resume_dir(resume, runs)
    with contextlib.ExitStack() as stack:
        stack.enter_context(told_of_room(folder))
        trackers = stack.enter_context(
            opened_trackers(log if processes.leads else (), folder)
        )
        fitted = fit(
            model_name,
            recipe,
            dataset,
            folder=folder,
            seed=seed,
            model_options=model_options,
            execution=execution,
            arguments=arguments,
            callbacks=[*callbacks, *trackers],
            init_from=init_from,
            freeze=freeze,
            measure=True,
            held=stack,
        )
        processes.leave()
        if not processes.leads:
            return None
        stack.enter_context(naming_the_run(folder, len(fitted.history)))
        evaluation, figures = _evaluate(fitted, recipe, dataset, seed)
        record = fitted.record | {"inference": figures, "test": evaluation.to_dict()}
        for tracker in trackers:
            tracker.finish(record)
        if out is None:
            write_json(folder / RECORD, record)
            return RunResult(folder, None, evaluation, record)
        name = artifact_name(model_name, dataset)
        artifact, note = _save(fitted, name, record, dataset, out, save, compact)
    return RunResult(folder, artifact, evaluation, record, note)


def _evaluate(
    fitted: FitResult, recipe: Recipe, dataset: Dataset, seed: int
) -> tuple[Evaluation, dict]:
    """Return the evaluation on the test images, and the figures of `inference`."""
    test = fitted.split.test
    with signals.at_once(lambda: resume_text(fitted.folder)):
        inference_model = keras_file.to_inference_model(fitted.model)
        evaluation = evaluate_model(
            inference_model, test.images, test.labels, predict, dataset.class_names
        )
        logits = inference_model.layers[-1].input
        figures = inference_figures(
            keras.Model(inference_model.inputs[0], logits),
            fitted.split,
            recipe.batch_size,
            predict,
            build_augmentation(recipe),
            seed,
        )
    return evaluation, figures


def _save(
    fitted: FitResult,
    name: str,
    record: dict,
    dataset: Dataset,
    out: str | Path,
    save: str,
    compact: bool,
) -> tuple[Path, str]:
    """Write model and record into the run's folder, and the model into `out`.

    Returns where the model is to be found, and why; the arguments are those of `train`.
    """
    folder = fitted.folder
    with signals.deferred():
        kept = keras_file.save_artifact(
            fitted.model, name, record, folder, dataset.class_names
        )
        write_json(folder / RECORD, record)
    card_alone = compact and is_card_alone(kept.stat().st_size)
    if compact and not card_alone:
        with signals.at_once(lambda: resume_text(folder)):
            kept = compact_model(fitted.model, record, dataset, kept)
    with signals.deferred():
        if card_alone:
            return publish_card(kept, out, save)
        return publish_model(kept, out, save, folder)
