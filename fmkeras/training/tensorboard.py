"""A run for TensorBoard: figures, confusion matrix, and its settings for HPARAMS.

The files lie in the folder of the run itself, so that TensorBoard calls the run by the
folder's name. Keras's own callback loads tensorflow whichever backend runs, which takes
seconds; here tensorboard's record writer serves alone.
"""

import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from fmkeras.recipes import Recipe
from fmkeras.text.values import value_text
from fmkeras.training.confusion_image import confusion_png
from fmkeras.training.per_class import PerClassMetrics

# Of a run, at most about so many pictures of the confusion matrix are written.
PICTURES = 20
# What HPARAMS compares plain runs by; and what differs from a recipe's defaults.
SHOWN = ("epochs", "batch_size", "optimizer", "learning_rate", "schedule")


class TensorBoardLog(keras.callbacks.Callback):
    """Writes an epoch's figures, from the end of the first epoch on.

    A run that ends before that leaves no file, and TensorBoard lists no empty run.

    Args:
        folder: the folder of the run.
        hyperparameters: what HPARAMS compares runs by.
        per_class: whose confusion matrix is shown.
    """

    def __init__(
        self, folder: Path, hyperparameters: dict, per_class: PerClassMetrics
    ) -> None:
        super().__init__()
        self.folder = folder
        self.hyperparameters = hyperparameters
        self.per_class = per_class
        self._file = None

    def on_epoch_end(self, epoch, logs=None):
        from tensorboard.compat.proto.summary_pb2 import Summary

        if self._file is None:
            self._open()
        # Those of the classes are named after their group already.
        values = [
            Summary.Value(
                tag=name if "/" in name else f"epoch/{name}", simple_value=value
            )
            for name, value in logs.items()
        ]
        epochs = self.params["epochs"]
        last = epoch + 1 == epochs
        if last or epoch % max(epochs // PICTURES, 1) == 0:
            values.append(self._picture(Summary))
        self._write(step=epoch + 1, summary=Summary(value=values))

    def on_train_end(self, logs=None):
        self.close()

    def close(self) -> None:
        """Close the file; further calls do nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns() // 10**9}.fmkeras"
        self._file = RecordWriter(open(self.folder / name, "ab"))
        self._write(file_version="brain.Event:2")
        plain = {name: _plain(value) for name, value in self.hyperparameters.items()}
        started = hparams_pb(plain, trial_id=self.folder.name)
        self._write(summary=started)

    def _picture(self, Summary: Callable):
        matrix = self.per_class.matrix
        content, width, height = confusion_png(matrix, self.per_class.names(matrix))
        image = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=content
        )
        return Summary.Value(tag="confusion matrix", image=image)

    def _write(self, **content) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), **content)
        self._file.write(event.SerializeToString())
        self._file.flush()


def run_hyperparameters(config: dict) -> dict:
    """Return what HPARAMS compares a plain run by: what is set, not every default.

    `config` is the content of config.json.
    """
    fields, defaults = config["recipe"], Recipe().to_dict()
    chosen = {
        name: value
        for name, value in fields.items()
        if name in SHOWN or value != defaults[name]
    }
    for name in ("name", "precision"):
        chosen.pop(name, None)
    head = {"model": Path(config["model"]).stem, "recipe": fields["name"]}
    own = {name: config[name] for name in ("backend", "precision", "seed")}
    return head | own | chosen


def _plain(value):
    if isinstance(value, list | tuple):
        return value_text(value)
    return value.item() if isinstance(value, np.generic) else value
