"""Keras callbacks of a run: signals, CSV logs, early stopping."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from fmkeras.engines.parallel import Processes
from fmkeras.files import write_csv
from fmkeras.process import signals
from fmkeras.training.per_class import PerClassMetrics
from fmkeras.training.run_dir import check_run_dir


class HeedSignals(keras.callbacks.Callback):
    """Ends a training where a signal waits; comes after what keeps its state.

    Until the first steps are done, compilation included, a signal ends the process at
    once; `mode` then turns to waiting.
    """

    def __init__(self, mode: signals.Mode) -> None:
        super().__init__()
        self.mode = mode

    def on_train_batch_end(self, batch, logs=None):
        self.mode.defer()
        signals.check()

    def on_epoch_end(self, epoch, logs=None):
        self.mode.defer()
        signals.check()


class AgreeOnSignals(keras.callbacks.Callback):
    """Tells every process of a signal that one of them received.

    It stands before the callbacks that ask for signals: the processes write their
    checkpoint and stop after the same step.
    """

    def __init__(self, processes: Processes) -> None:
        super().__init__()
        self.processes = processes

    def on_train_batch_end(self, batch, logs=None):
        number = signals.arrived() or 0
        total, count = self.processes.total(np.array([number, number > 0]))
        if count:
            signals.agree(int(total / count))


class RunLog(keras.callbacks.Callback):
    """Rewrites history.csv after each epoch.

    It stands before `PerClassMetrics`, whose figures have a file of their own; that
    callback's rows are kept with the history, to be brought back together.
    """

    def __init__(self, folder: Path, per_class_metrics: PerClassMetrics) -> None:
        super().__init__()
        self.folder = folder
        self.history: list[dict] = []
        self._per_class_metrics = per_class_metrics

    @property
    def per_class(self) -> list[dict]:
        """The rows of per_class.csv."""
        return self._per_class_metrics.rows

    @per_class.setter
    def per_class(self, rows: list[dict]) -> None:
        self._per_class_metrics.rows = rows

    def on_epoch_end(self, epoch, logs=None):
        check_run_dir(self.folder)
        self.history.append({"epoch": epoch + 1, **logs})
        write_csv(self.folder / "history.csv", self.history)


class EarlyStopping(keras.callbacks.Callback):
    """Stops a run after `patience` epochs without a better validation accuracy.

    It goes by the log alone, which a checkpoint brings back: a run that goes on stops
    where it would have stopped.
    """

    def __init__(
        self, log: RunLog, patience: int, say: Callable[[str], None] = print
    ) -> None:
        super().__init__()
        self.log = log
        self.patience = patience
        self.say = say

    def is_over(self) -> bool:
        """Return whether the epochs of the log are enough."""
        accuracies = [row["val_accuracy"] for row in self.log.history]
        if not accuracies:
            return False
        # The first of equals, which is the epoch that is kept too.
        best = accuracies.index(max(accuracies))
        return len(accuracies) - 1 - best >= self.patience

    def on_epoch_end(self, epoch, logs=None):
        if self.is_over() and epoch + 1 < self.params["epochs"]:
            self.model.stop_training = True
            self.say(
                f"Stopped after epoch {epoch + 1}: no better validation accuracy for "
                f"{self.patience} epochs."
            )
