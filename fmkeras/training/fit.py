"""Training from a recipe to the weights of the kept epoch, in the folder of a run."""

import contextlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import keras

from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import DataSplits, split_dataset
from fmkeras.engines import parallel
from fmkeras.errors import CannotWrite, Diverged, OutOfMemory
from fmkeras.files import replacing
from fmkeras.files.locks import locked
from fmkeras.process import signals
from fmkeras.recipes import Recipe
from fmkeras.training.auto import Execution, execution_of_first, find_execution
from fmkeras.training.callbacks import (
    AgreeOnSignals,
    EarlyStopping,
    HeedSignals,
    RunLog,
)
from fmkeras.training.checkpoint import Checkpoint
from fmkeras.training.failure import with_kept_model
from fmkeras.training.inference import TestLog
from fmkeras.training.per_class import PerClassMetrics
from fmkeras.training.progress import ProgressBar
from fmkeras.training.run_dir import (
    CHECKPOINT,
    FAILED,
    TrainingInterrupted,
    artifact_name,
    beginning,
    ensure_run_dir,
    interrupt_message,
)
from fmkeras.training.setup import Setup, prepare
from fmkeras.training.tensorboard import TensorBoardLog, run_hyperparameters


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
    measure: bool = False,
    held: contextlib.ExitStack | None = None,
) -> FitResult:
    """Train a network and choose its epoch; the test images choose nothing.

    They are read only where the recipe has them measured after each epoch.

    `folder` belongs to this run alone. Where it holds an interrupted run of the same
    settings, that goes on from the last epoch it finished, and ends as if it had
    never stopped. `hyperparameters` are what TensorBoard compares runs by; fields of
    the recipe by default. With `measure`, auto measures a long training on a processor
    that no shipped benchmark was made on. The lock of the folder is let go at the end,
    or with `held` when that is closed. The other arguments are those of `train`.

    Raises as `train` does, and `UserError` for settings that are not those the run in
    `folder` began with.
    """
    processes = parallel.current()
    folder = Path(folder)
    split = split_dataset(dataset, seed, recipe.data_split)
    if execution is None:
        count = len(split.train)
        execution = find_execution(folder, recipe, model_name, count, measure)
    setup = prepare(
        model_name,
        recipe,
        dataset,
        execution_of_first(execution, processes),
        processes,
        split=split,
        seed=seed,
        model_options=model_options or {},
        init_from=init_from,
        freeze=freeze,
    )
    setup.check_resources(folder)
    kept = folder / CHECKPOINT
    with contextlib.ExitStack() as stack:
        if not processes.leads:
            # Of what the others write nothing is kept.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (held or stack).enter_context(locked(folder, "training"))
        ensure_run_dir(folder, setup.config, setup.environment, arguments)
        (folder / FAILED).unlink(missing_ok=True)
        keeper = _Keeper(setup, folder, kept, dataset.class_names, hyperparameters)
        stack.callback(keeper.close)
        if processes.count > 1:
            stack.enter_context(signals.agreeing())
        try:
            _run_epochs(setup, keeper, callbacks)
        except (Diverged, OutOfMemory) as error:
            if not processes.leads:
                raise
            _free(setup.model)
            failure = with_kept_model(
                error,
                keeper.checkpoint,
                artifact_name(model_name, dataset),
                dataset.class_names,
                keeper.describe,
            )
            # Without the mark, for want of room, the run would fail once more.
            with contextlib.suppress(OSError, CannotWrite):
                with replacing(folder / FAILED) as temporary:
                    temporary.write_text(f"{error}\n", encoding="utf-8")
            raise failure from error
        except KeyboardInterrupt as interrupt:
            raise TrainingInterrupted(
                interrupt_message(keeper.checkpoint),
                folder,
                keeper.checkpoint.epochs_done,
                interrupt,
            ) from interrupt
    setup.model.set_weights(keeper.checkpoint.kept_weights)
    _free(setup.model)
    return FitResult(
        folder,
        setup.model,
        split,
        keeper.log.history,
        keeper.checkpoint.kept_epoch,
        keeper.describe(),
    )


def _free(model: keras.Model) -> None:
    """Let every layer learn: what was frozen is a matter of the training alone."""
    for layer in model.layers:
        layer.trainable = True


class _Keeper:
    """What a run keeps: its logs and checkpoint, brought back where it goes on."""

    def __init__(
        self,
        setup: Setup,
        folder: Path,
        checkpoint: Path,
        class_names: tuple[str, ...],
        hyperparameters: dict | None,
    ) -> None:
        engine, recipe = setup.engine, setup.recipe
        self._setup, self._folder = setup, folder
        self.per_class = PerClassMetrics(
            class_names, folder / "per_class.csv", metric=engine.confusion
        )
        self.log = RunLog(folder, self.per_class)
        self.checkpoint = Checkpoint(
            engine, self.log, checkpoint, recipe.keep, engine.processes.leads
        )
        if self.checkpoint.exists():
            self.checkpoint.restore()
        self.bar = ProgressBar(len(setup.split.train), recipe.batch_size)
        if hyperparameters is None:
            hyperparameters = run_hyperparameters(setup.config)
        self.board = TensorBoardLog(folder, hyperparameters, self.per_class)

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """Return the callbacks that log and show the run, in their order."""
        return [self.log, self.per_class, self.board, self.bar]

    def describe(self) -> dict:
        """Return the record of the run so far."""
        record = self._setup.describe(self.log.history, self.checkpoint.kept_epoch)
        return record | beginning(self._folder, record["commit"])

    def close(self) -> None:
        """Close the event file and the progress bar."""
        self.board.close()
        self.bar.close()


def _run_epochs(setup: Setup, keeper: _Keeper, callbacks) -> None:
    """Train the epochs that are not done; a signal ends them after a step."""
    recipe, engine, checkpoint = setup.recipe, setup.engine, keeper.checkpoint
    own, epochs = keeper.callbacks(), recipe.epochs
    if recipe.early_stopping:
        stopping = EarlyStopping(keeper.log, recipe.early_stopping)
        own.append(stopping)
        if stopping.is_over():
            # It was interrupted after its last epoch.
            epochs = checkpoint.epochs_done
    if engine.processes.count > 1:
        own.insert(0, AgreeOnSignals(engine.processes))
    if recipe.test_each_epoch:
        own.insert(0, TestLog(engine, setup.split.test))
    with signals.at_once(lambda: interrupt_message(checkpoint)) as mode:
        engine.fit(
            setup.split.train,
            setup.split.validation,
            epochs=epochs,
            batch_size=recipe.batch_size,
            seed=setup.config["seed"],
            initial_epoch=checkpoint.epochs_done,
            shuffle=recipe.shuffle,
            freeze_after=recipe.freeze_after,
            progress=checkpoint.progress,
            swa_epochs=recipe.swa_epochs,
            # What the user's callbacks change, such as a rate, is kept too.
            callbacks=[*own, *callbacks, checkpoint, HeedSignals(mode)],
        )
