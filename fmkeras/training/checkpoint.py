"""The checkpoint of a run: everything it needs to resume, in one file."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np

from fmkeras.errors import UserError
from fmkeras.files import replacing
from fmkeras.training.callbacks import RunLog


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
