"""Keras callbacks of a run: progress bar, CSV logs, TensorBoard."""

import csv
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from fmkeras.evaluation.metrics import per_class
from fmkeras.files import replacing
from fmkeras.labels import CLASS_NAMES
from fmkeras.training.run_dir import check_run_dir

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

    def __init__(
        self, engine, folder: Path, class_names: Sequence[str] = CLASS_NAMES
    ) -> None:
        super().__init__()
        self.engine = engine
        self.folder = folder
        self.class_names = class_names
        self.history: list[dict] = []
        self.per_class: list[dict] = []

    def on_epoch_end(self, epoch, logs=None):
        check_run_dir(self.folder)
        self.history.append({"epoch": epoch + 1, **logs})
        confusion = self.engine.monitored_totals().confusion
        self.per_class += per_class_rows(epoch + 1, confusion, self.class_names)
        write_csv(self.folder / "history.csv", self.history)
        write_csv(self.folder / "per_class.csv", self.per_class)


class TensorBoardLog(keras.callbacks.Callback):
    """Writes an epoch's figures, per-class ones too, for TensorBoard.

    Keras's own TensorBoard callback loads tensorflow whichever backend runs, which
    takes seconds; here tensorboard's record writer serves alone.
    """

    def __init__(
        self, engine, folder: Path, class_names: Sequence[str] = CLASS_NAMES
    ) -> None:
        super().__init__()
        self.engine = engine
        self.folder = folder
        self.class_names = class_names
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
        confusion = self.engine.monitored_totals().confusion
        for row in per_class_rows(epoch + 1, confusion, self.class_names):
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


def per_class_rows(
    epoch: int, confusion: np.ndarray, class_names: Sequence[str] = CLASS_NAMES
) -> list[dict]:
    """Return one row a class, with the columns of per_class.csv."""
    figures = per_class(confusion)
    columns = (figures.precision, figures.recall, figures.f1, figures.support)
    values = zip(class_names, *(column.tolist() for column in columns), strict=True)
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
