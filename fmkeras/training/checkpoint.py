"""The checkpoint of a run: everything it needs to resume, in one file."""

import sys
import time
from pathlib import Path

import keras
import numpy as np

from fmkeras.engines.totals import EpochProgress, MetricTotals
from fmkeras.errors import UserError
from fmkeras.process import signals
from fmkeras.training.callbacks import RunLog
from fmkeras.training.checkpoint_file import (
    DamagedCheckpoint,
    previous_path,
    read_checkpoint,
    write_checkpoint,
)
from fmkeras.training.run_dir import check_run_dir, has_checkpoint

# Inside an epoch a checkpoint is written so often.
SECONDS_BETWEEN = 600.0


class Checkpoint(keras.callbacks.Callback):
    """Saves everything a run needs to resume exactly, in one file.

    That is every variable of the model and the optimizer, how far the epoch is, the
    backend's random state, the logs so far, and the weights to keep: of the best epoch
    by validation accuracy (the first of equals), or of the last. It is written after
    each epoch, every ten minutes inside one, and when a signal ends the run.
    """

    def __init__(
        self,
        engine,
        log: RunLog,
        path: Path,
        keep: str = "best",
        writes: bool = True,
    ) -> None:
        """Prepare to write; without `writes` another process writes the same."""
        super().__init__()
        self.engine = engine
        self.log = log
        self.path = path
        self.keep = keep
        self.writes = writes
        self.epochs_done = 0
        self.steps_done = 0
        self.kept_epoch = 0
        self.kept_weights: list[np.ndarray] = []
        # Inside an epoch: what `Engine.fit` goes on from.
        self.progress: EpochProgress | None = None
        self._written = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        late = time.monotonic() - self._written > SECONDS_BETWEEN
        if late or signals.pending() is not None:
            self.progress = self.engine.epoch_progress()
            self.steps_done = self.progress.step
            self._write()

    def on_epoch_end(self, epoch, logs=None):
        self.epochs_done = epoch + 1
        self.steps_done = 0
        self.progress = None
        if self.keep == "last" or self._is_best(epoch + 1):
            self.kept_epoch = epoch + 1
            self.kept_weights = self.engine.weights_to_keep()
        self._write()

    def exists(self) -> bool:
        """Return whether there is a checkpoint, whole or damaged."""
        return has_checkpoint(self.path.parent)

    def restore(self) -> None:
        """Restore everything from the newest checkpoint that is whole.

        A damaged one is told on stderr. Raises `UserError` where none is whole.
        """
        reasons = []
        for path in (self.path, previous_path(self.path)):
            try:
                state, arrays = read_checkpoint(path)
                self._assign(state, arrays)
            except DamagedCheckpoint as error:
                reasons.append(f"'{path}': {error}")
                continue
            if reasons:
                place = f"epoch {self.epochs_done}"
                if self.steps_done:
                    place += f" and {self.steps_done} steps"
                print(
                    f"The newest checkpoint is damaged ({reasons[0]}); going on from "
                    f"the one before, after {place}.",
                    file=sys.stderr,
                )
            return
        raise UserError(
            "The run has no whole checkpoint; expected what a finished epoch wrote: "
            f"start the run anew. Received: {'; '.join(reasons)}"
        )

    def _write(self) -> None:
        if not self.writes:
            return
        state = {
            "epochs_done": self.epochs_done,
            "kept_epoch": self.kept_epoch,
            "history": self.log.history,
            "per_class": self.log.per_class,
            "epochs_averaged": self.engine.mean_weights.count,
        }
        arrays = {
            f"variable_{number}": keras.ops.convert_to_numpy(variable.value)
            for number, variable in enumerate(self._variables())
        }
        for number, weight in enumerate(self.kept_weights):
            arrays[f"kept_{number}"] = weight
        for number, weight in enumerate(self.engine.mean_weights.values):
            arrays[f"mean_{number}"] = weight
        if self.progress is not None:
            state["step"] = self.progress.step
            state["seconds"] = self.progress.seconds
            # A float's text, hence exact.
            state["loss_sum"] = self.progress.totals.loss_sum
            arrays["confusion"] = self.progress.totals.confusion
            arrays["random_state"] = self.progress.random_state
        check_run_dir(self.path.parent)
        write_checkpoint(self.path, state, arrays)
        self._written = time.monotonic()

    def _assign(self, state: dict, arrays: dict[str, np.ndarray]) -> None:
        variables = self._variables()
        names = [f"variable_{number}" for number in range(len(variables))]
        found = [getattr(arrays.get(name), "shape", None) for name in names]
        if found != [tuple(variable.shape) for variable in variables]:
            raise DamagedCheckpoint("it is of another model or optimizer")
        for name, variable in zip(names, variables, strict=True):
            variable.assign(arrays[name])
        count = sum(name.startswith("kept_") for name in arrays)
        self.kept_weights = [arrays[f"kept_{n}"] for n in range(count)]
        count = sum(name.startswith("mean_") for name in arrays)
        self.engine.mean_weights.values = [arrays[f"mean_{n}"] for n in range(count)]
        # Checkpoints of before there was such a mean lack the number.
        self.engine.mean_weights.count = state.get("epochs_averaged", 0)
        self.epochs_done = state["epochs_done"]
        self.kept_epoch = state["kept_epoch"]
        self.log.history = state["history"]
        self.log.per_class = state["per_class"]
        self.steps_done = state.get("step", 0)
        self.progress = None
        if self.steps_done:
            lacking = {"seconds", "loss_sum"} - set(state)
            if lacking or not {"confusion", "random_state"} <= set(arrays):
                raise DamagedCheckpoint("it lacks how far its epoch was")
            self.progress = EpochProgress(
                self.epochs_done,
                self.steps_done,
                state["seconds"],
                MetricTotals(arrays["confusion"], state["loss_sum"]),
                arrays["random_state"],
            )

    def _is_best(self, epoch: int) -> bool:
        rows = self.log.history
        accuracies = [row["val_accuracy"] for row in rows]
        return rows[int(np.argmax(accuracies))]["epoch"] == epoch

    def _variables(self) -> list:
        model, optimizer = self.engine.model, self.engine.optimizer
        return (
            model.trainable_variables
            + model.non_trainable_variables
            + list(optimizer.variables)
        )
