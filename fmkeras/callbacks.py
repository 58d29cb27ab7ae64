"""Keras callbacks of a run: progress, logs, the best weights, the checkpoint."""

import csv
import json
import sys
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from fmkeras.errors import UserError
from fmkeras.files import replacing
from fmkeras.labels import CLASS_NAMES
from fmkeras.metrics import per_class

PER_CLASS_COLUMNS = ("epoch", "class", "precision", "recall", "f1", "support")


class ProgressBar(keras.callbacks.Callback):
    """A bar an epoch: images done, loss, accuracy, images a second, time left.

    Where the output is no terminal there is no bar, only a line an epoch.
    """

    def __init__(self, train_size: int, batch_size: int) -> None:
        super().__init__()
        self.train_size = train_size
        self.batch_size = batch_size
        self._bar = None

    def on_epoch_begin(self, epoch, logs=None):
        self._bar = tqdm(
            desc=f"Epoch {epoch + 1}/{self.params['epochs']}",
            total=self.train_size,
            unit=" images",
            unit_scale=True,
            leave=False,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
        )

    def on_train_batch_end(self, batch, logs=None):
        done = min((batch + 1) * self.batch_size, self.train_size)
        self._bar.set_postfix(
            loss=f"{logs['loss']:.4f}",
            accuracy=f"{logs['accuracy']:.4f}",
            refresh=False,
        )
        self._bar.update(done - self._bar.n)

    def on_epoch_end(self, epoch, logs=None):
        self._bar.close()
        epochs = self.params["epochs"]
        left = logs["seconds"] * (epochs - epoch - 1)
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        figures = "  ".join(f"{n} {logs[n]:.4f}" for n in names if n in logs)
        print(
            f"Epoch {epoch + 1:>{len(str(epochs))}}/{epochs}  "
            f"{figures}  "
            f"{logs['examples_per_second']:,.0f} images/s  {_clock(left)} left",
            flush=True,
        )

    def close(self) -> None:
        """Take the bar of an interrupted epoch away."""
        if self._bar is not None:
            self._bar.close()


class RunLog(keras.callbacks.Callback):
    """Writes history.csv and per_class.csv anew after each epoch, each one whole.

    The per-class figures are those of the validation images, or of the training
    images where all are trained on; they come from the confusion matrix that the
    compiled step counted, so they cost no second pass.
    """

    def __init__(self, engine, folder: Path) -> None:
        super().__init__()
        self.engine = engine
        self.folder = folder
        self.history: list[dict] = []
        self.per_class: list[dict] = []

    def on_epoch_end(self, epoch, logs=None):
        self.history.append({"epoch": epoch + 1, **logs})
        confusion = self.engine.measured().confusion
        self.per_class += per_class_rows(epoch + 1, confusion)
        write_csv(self.folder / "history.csv", self.history)
        write_csv(self.folder / "per_class.csv", self.per_class)


class TensorBoardLog(keras.callbacks.Callback):
    """Writes an epoch's figures, per-class ones too, for TensorBoard.

    Keras's own TensorBoard callback loads tensorflow whichever backend runs, which
    takes seconds; here tensorboard's record writer serves alone.
    """

    def __init__(self, engine, folder: Path) -> None:
        super().__init__()
        self.engine = engine
        self.folder = folder
        self._file = None

    def on_train_begin(self, logs=None):
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns() // 10**9}.fmkeras"
        self._file = RecordWriter(open(self.folder / name, "ab"))
        self._write(file_version="brain.Event:2")

    def on_epoch_end(self, epoch, logs=None):
        from tensorboard.compat.proto.summary_pb2 import Summary

        figures = {f"epoch/{name}": value for name, value in logs.items()}
        for row in per_class_rows(epoch + 1, self.engine.measured().confusion):
            for figure in ("precision", "recall", "f1"):
                figures[f"{figure}/{row['class']}"] = row[figure]
        values = [
            Summary.Value(tag=tag, simple_value=value) for tag, value in figures.items()
        ]
        self._write(step=epoch + 1, summary=Summary(value=values))

    def on_train_end(self, logs=None):
        self.close()

    def close(self) -> None:
        """Close the file; further calls do nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, **content) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), **content)
        self._file.write(event.SerializeToString())
        self._file.flush()


class Checkpoint(keras.callbacks.Callback):
    """Keeps all that a run needs to go on exactly where an epoch ended, in one file.

    That is every variable of the model and the optimizer, the logs so far, and the
    weights to keep: of the best epoch by validation accuracy (the first of equals),
    or of the last.
    """

    def __init__(self, engine, log: RunLog, path: Path, keep: str = "best") -> None:
        super().__init__()
        self.engine = engine
        self.log = log
        self.path = path
        self.keep = keep
        self.epochs_done = 0
        self.kept_epoch = 0
        self.kept_weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs_done = epoch + 1
        if self.keep == "last" or self._is_best(epoch + 1):
            self.kept_epoch = epoch + 1
            self.kept_weights = self.engine.weights_to_keep()
        state = {
            "epochs_done": self.epochs_done,
            "kept_epoch": self.kept_epoch,
            "history": self.log.history,
            "per_class": self.log.per_class,
        }
        arrays = {"state": np.array(json.dumps(state))}
        for number, variable in enumerate(self._variables()):
            arrays[f"variable_{number}"] = keras.ops.convert_to_numpy(variable.value)
        for number, weight in enumerate(self.kept_weights):
            arrays[f"kept_{number}"] = weight
        with replacing(self.path) as temporary:
            np.savez(temporary, **arrays)

    def restore(self) -> None:
        """Bring everything back from the file; raise `UserError` if it is damaged."""
        try:
            self._restore()
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(
                f"The checkpoint '{self.path}' is damaged ({error}); expected what a "
                "finished epoch wrote: start the run anew, without --resume."
            ) from error

    def _restore(self) -> None:
        with open(self.path, "rb") as file, np.load(file) as arrays:
            state = json.loads(str(arrays["state"]))
            for number, variable in enumerate(self._variables()):
                variable.assign(arrays[f"variable_{number}"])
            count = sum(name.startswith("kept_") for name in arrays.files)
            self.kept_weights = [arrays[f"kept_{n}"] for n in range(count)]
        self.epochs_done = state["epochs_done"]
        self.kept_epoch = state["kept_epoch"]
        self.log.history = state["history"]
        self.log.per_class = state["per_class"]

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


def per_class_rows(epoch: int, confusion: np.ndarray) -> list[dict]:
    """Return one row a class, with the columns of per_class.csv."""
    figures = per_class(confusion)
    columns = (figures.precision, figures.recall, figures.f1, figures.support)
    values = zip(CLASS_NAMES, *(column.tolist() for column in columns), strict=True)
    return [dict(zip(PER_CLASS_COLUMNS, (epoch, *v), strict=True)) for v in values]


def write_csv(path: Path, rows: list[dict]) -> None:
    """Write rows of equal keys as CSV, whole or not at all."""
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
