"""One training run: from a network's name and a recipe to a file and a record."""

import contextlib
import hashlib
import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import keras

from fmkeras import seeds, signals
from fmkeras.artifacts import keras_file
from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import DataSplits, split_dataset
from fmkeras.engines import create_engine, parallel, predict
from fmkeras.engines.device import describe_device, device_kind, num_threads
from fmkeras.engines.memory import check_batch
from fmkeras.errors import Diverged, OutOfMemory
from fmkeras.evaluation.evaluate import Evaluation, evaluate_model
from fmkeras.files import check_room, make_folder, write_json
from fmkeras.locks import locked
from fmkeras.provenance import provenance
from fmkeras.recipes import Recipe
from fmkeras.training.auto import (
    Execution,
    execution_of_first,
    resolve_execution,
)
from fmkeras.training.builders import (
    build_augmentation,
    build_class_weights,
    build_gradient_rules,
    build_loss,
    build_network,
    build_optimizer,
    build_teacher,
)
from fmkeras.training.callbacks import (
    AgreeOnSignals,
    EarlyStopping,
    HeedSignals,
    RunLog,
)
from fmkeras.training.checkpoint import Checkpoint
from fmkeras.training.compact import compact_model, is_card_alone
from fmkeras.training.failure import told_of_room, with_kept_model
from fmkeras.training.inference import TestLog, inference_figures
from fmkeras.training.per_class import PerClassMetrics
from fmkeras.training.progress import ProgressBar
from fmkeras.training.publish import publish_card, publish_model
from fmkeras.training.record import describe_dataset, describe_run, describe_teacher
from fmkeras.training.run_dir import (
    CONFIG,
    RECORD,
    RUNS,
    TrainingInterrupted,
    artifact_name,
    ensure_run_dir,
    interrupt_message,
    naming_the_run,
    new_run_dir,
    read_config,
    resume_dir,
    resume_text,
)
from fmkeras.training.start import is_model_file, start_from
from fmkeras.training.tensorboard import TensorBoardLog, run_hyperparameters
from fmkeras.training.trackers import opened_trackers

CHECKPOINT = "checkpoint.npz"
# For logs, curves and TensorBoard.
SPARE_BYTES = 10_000_000


@dataclass(frozen=True)
class FitResult:
    """The result of training, before the test images are read.

    Attributes:
        folder: holds config.json, history.csv, per_class.csv and the checkpoint.
        model: maps images to logits, with the kept weights.
        split: the images, those of the test too.
        history: a row an epoch, as in history.csv.
        kept_epoch: the epoch of the model's weights; 1 is the first.
        record: settings and results, of JSON types.
    """

    folder: Path
    model: keras.Model
    split: DataSplits
    history: list[dict]
    kept_epoch: int
    record: dict


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
    if execution is None:
        execution = begun_execution(folder, recipe)
    if execution is None:
        images = len(split_dataset(dataset, seed, recipe.data_split).train)
        execution = resolve_execution(recipe, model_name, images, measure=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(told_of_room(folder, folder / CHECKPOINT))
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
        )
        processes.leave()
        if not processes.leads:
            return None
        stack.enter_context(naming_the_run(folder, len(fitted.history)))
        test = fitted.split.test
        with signals.at_once(lambda: resume_text(folder)):
            inference_model = keras_file.to_inference_model(fitted.model)
            evaluation = evaluate_model(
                inference_model, test.images, test.labels, predict, dataset.class_names
            )
            outputs = inference_model.layers[-1].input
            figures = inference_figures(
                keras.Model(inference_model.inputs[0], outputs),
                fitted.split,
                recipe.batch_size,
                predict,
                build_augmentation(recipe),
                seed,
            )
        record = fitted.record | {"inference": figures, "test": evaluation.to_dict()}
        for tracker in trackers:
            tracker.finish(record)
        if out is None:
            write_json(folder / RECORD, record)
            return RunResult(folder, None, evaluation, record)
        name = artifact_name(model_name, dataset)
        with signals.deferred():
            kept = keras_file.save_artifact(
                fitted.model, name, record, folder, dataset.class_names
            )
            write_json(folder / RECORD, record)
        card_alone = compact and save != "never" and is_card_alone(kept.stat().st_size)
        if compact and not card_alone:
            with signals.at_once(lambda: resume_text(folder)):
                kept = compact_model(fitted.model, record, dataset, kept)
        with signals.deferred():
            if card_alone:
                artifact, note = publish_card(kept, out)
            else:
                artifact, note = publish_model(kept, out, save)
    return RunResult(folder, artifact, evaluation, record, note)


def fit(
    model_name: str,
    recipe: Recipe,
    dataset: Dataset,
    *,
    folder: str | Path,
    seed: int = 0,
    model_options: dict | None = None,
    execution: Execution | None = None,
    arguments: dict | None = None,
    callbacks: Iterable[keras.callbacks.Callback] = (),
    init_from: str | Path | None = None,
    freeze: str | None = None,
    hyperparameters: dict | None = None,
) -> FitResult:
    """Train a network and choose its epoch; the test images choose nothing.

    They are read only where the recipe has them measured after each epoch.

    `folder` belongs to this run alone. Where it holds an interrupted run of the same
    settings, that goes on from the last epoch it finished, and ends as if it had
    never stopped. `hyperparameters` are what TensorBoard compares runs by; fields of
    the recipe by default. The other arguments are those of `train`. Raises as `train`
    does, and `UserError` for settings that are not those the run in `folder` began
    with.
    """
    processes = parallel.current()
    folder, model_options = Path(folder), model_options or {}
    split = split_dataset(dataset, seed, recipe.data_split)
    count = len(split.train)
    if execution is None:
        execution = begun_execution(folder, recipe)
    execution = execution or resolve_execution(recipe, model_name, count)
    execution = execution_of_first(execution, processes)
    model = build_network(
        model_name,
        recipe,
        execution.precision,
        seed,
        model_options,
        dataset.num_classes,
    )
    start = start_from(model, init_from, freeze)
    steps_per_epoch = -(-count // recipe.batch_size)
    engine = create_engine(
        model,
        build_optimizer(recipe, steps_per_epoch),
        build_loss(recipe),
        l2=recipe.l2,
        augmentation=build_augmentation(recipe),
        compile_step=execution.compile,
        gradient_rules=build_gradient_rules(recipe),
        teacher=build_teacher(recipe, execution.precision),
        class_weights=build_class_weights(recipe, split.train.labels),
        processes=processes,
    )
    config = {
        "model": model_name,
        "options": model_options,
        "recipe": recipe.to_dict(),
        "seed": seed,
        "streams": seeds.VERSION,
        "backend": keras.backend.backend(),
        "precision": execution.precision,
        "compiled": execution.compile,
        "dataset": describe_dataset(dataset, split),
    }
    if start:
        config["start"] = start
    if recipe.teacher:
        config["teacher"] = describe_teacher(recipe.teacher)
    if is_model_file(model_name):
        path = Path(model_name)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        config["architecture"] = {"file": path.name, "sha256": digest}
    facts = provenance()
    environment = {
        "threads": num_threads(),
        "device": execution.device,
        "devices": processes.count,
        "versions": facts["versions"],
        "commit": facts["commit"],
    }
    size = 4 * sum(math.prod(v.shape) for group in engine._variables() for v in group)
    if device_kind() == "cpu":
        largest = processes.share(min(recipe.batch_size, count))
        check_batch(model, largest.stop - largest.start, execution.precision)
    # Two checkpoints and the next one, each with the weights it keeps, and the model.
    check_room(make_folder(folder.parent), 5 * size + SPARE_BYTES)
    with contextlib.ExitStack() as stack:
        kept = folder / CHECKPOINT
        if not processes.leads:
            # Of what the others write nothing is kept.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(locked(folder, "training"))
        ensure_run_dir(folder, config, environment, arguments)
        per_class = PerClassMetrics(
            dataset.class_names, folder / "per_class.csv", metric=engine.confusion
        )
        log = RunLog(folder, per_class)
        checkpoint = Checkpoint(engine, log, kept, recipe.keep, processes.leads)
        if checkpoint.exists():
            checkpoint.restore()
        bar = ProgressBar(count, recipe.batch_size)
        stack.callback(bar.close)
        if hyperparameters is None:
            hyperparameters = run_hyperparameters(
                model_name, recipe, config["backend"], execution.precision, seed
            )
        board = TensorBoardLog(folder, hyperparameters, per_class)
        stack.callback(board.close)
        try:
            if processes.count > 1:
                stack.enter_context(signals.agreeing())
            with signals.at_once(lambda: interrupt_message(checkpoint)) as mode:
                test_log = [TestLog(engine, split.test)]
                own = [log, per_class, checkpoint, board, bar]
                epochs = recipe.epochs
                if recipe.early_stopping:
                    stopping = EarlyStopping(log, recipe.early_stopping)
                    own.append(stopping)
                    if stopping.is_over():
                        # It was interrupted after its last epoch.
                        epochs = checkpoint.epochs_done
                if processes.count > 1:
                    own.insert(0, AgreeOnSignals(processes))
                engine.fit(
                    split.train,
                    split.validation,
                    epochs=epochs,
                    batch_size=recipe.batch_size,
                    seed=seed,
                    initial_epoch=checkpoint.epochs_done,
                    shuffle=recipe.shuffle,
                    freeze_after=recipe.freeze_after,
                    progress=checkpoint.progress,
                    swa_epochs=recipe.swa_epochs,
                    callbacks=[
                        *(test_log if recipe.test_each_epoch else []),
                        *own,
                        *callbacks,
                        HeedSignals(mode),
                    ],
                )
        except (Diverged, OutOfMemory) as error:
            raise with_kept_model(
                error,
                checkpoint,
                artifact_name(model_name, dataset),
                dataset.class_names,
                lambda: describe_run(
                    *(config, execution, model, log.history),
                    *(checkpoint.kept_epoch, facts),
                ),
            ) from error
        except KeyboardInterrupt as interrupt:
            raise TrainingInterrupted(
                interrupt_message(checkpoint), folder, checkpoint.epochs_done, interrupt
            ) from interrupt

    model.set_weights(checkpoint.kept_weights)
    if freeze is not None:
        # What is frozen is a matter of this training, not of the file.
        for layer in model.layers:
            layer.trainable = True
    record = describe_run(
        config, execution, model, log.history, checkpoint.kept_epoch, facts
    )
    return FitResult(folder, model, split, log.history, checkpoint.kept_epoch, record)


def begun_execution(folder: Path, recipe: Recipe) -> Execution | None:
    """Return how the run in a folder computes; None where there is none.

    What auto meant when it began holds to its end.
    """
    if not (folder / CONFIG).exists():
        return None
    config = read_config(folder)
    precision, compiled = config.get("precision"), config.get("compiled")
    if recipe.precision not in ("auto", precision) or compiled is None:
        return None
    reason = "as when the run began"
    return Execution(precision, bool(compiled), describe_device(), reason)
