"""Runs logged to MLflow or Weights & Biases too, through their own packages.

Both write to the folder of runs, without a server or an account, unless their own
variables of the environment (MLFLOW_TRACKING_URI, WANDB_MODE) say otherwise.
"""

import contextlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import keras

from fmkeras.errors import UserError, unknown
from fmkeras.files import make_folder, write_json
from fmkeras.files.reading import read_json
from fmkeras.training.run_dir import CONFIG

PROJECT = "fmkeras"
# In the folder of a run: under which name each tracker knows it.
IDS = "trackers.json"
TRACKERS = ("mlflow", "wandb")


def check_trackers(names: Iterable[str]) -> None:
    """Raise `UserError` for an unknown tracker, or one whose package is missing."""
    for name in names:
        if name not in TRACKERS:
            raise unknown("log", name, TRACKERS)
        if importlib.util.find_spec(name) is None:
            raise UserError(
                f"'--log {name}' needs the package {name}, which is not installed; "
                f"expected it: {sys.executable} -m pip install "
                f"-r requirements/{name}.txt (elsewhere: pip install {name}). "
                f"Received: no {name}"
            )


@contextlib.contextmanager
def opened_trackers(names: Iterable[str], folder: Path) -> Iterator[list["Tracker"]]:
    """Yield a tracker of each name for the run in `folder`; end those not finished.

    Raises `UserError` where one cannot begin, before anything is trained.
    """
    names = list(dict.fromkeys(names))
    check_trackers(names)
    kinds = {"mlflow": MlflowTracker, "wandb": WandbTracker}
    trackers = [kinds[name](folder) for name in names]
    try:
        yield trackers
    finally:
        for tracker in trackers:
            tracker.close()


class Tracker(keras.callbacks.Callback):
    """Logs the settings of a run, each epoch's figures and those of the test images.

    A run that goes on after an interruption goes on in the same log. What fails while
    it logs is said once and ends the log, not the training.
    """

    name = ""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = Path(folder)
        self._is_open = False
        try:
            self.connect(make_folder(self.folder.parent / self.name))
        except Exception as error:  # Their errors have no common type.
            raise UserError(
                f"The log '{self.name}' cannot be begun; expected a place to write to: "
                f"check its own variables of the environment. Received: {_line(error)}"
            ) from error

    def connect(self, place: Path) -> None:
        """Find the place of the logs: `place`, or the one the environment names."""
        raise NotImplementedError

    def begin(self, known: str | None, settings: dict) -> str:
        """Begin the run, or go on with the one `known`; return its name there."""
        raise NotImplementedError

    def log(self, figures: dict[str, float], epoch: int) -> None:
        """Log the figures of an epoch, counted from 1."""
        raise NotImplementedError

    def end(self, status: str) -> None:
        """End the run: FINISHED, or KILLED where it was interrupted."""
        raise NotImplementedError

    def on_train_begin(self, logs=None):
        self._guarded(self._begin)

    def on_epoch_end(self, epoch, logs=None):
        self._guarded(self.log, _figures(logs or {}), epoch + 1)

    def finish(self, record: dict) -> None:
        """Log what the test images said, and end the run."""
        test = {f"test_{key}": record["test"][key] for key in ("accuracy", "loss")}
        self._guarded(self.log, test, record["kept_epoch"])
        self.close("FINISHED")

    def close(self, status: str = "KILLED") -> None:
        """End the run where it is open; further calls do nothing."""
        self._guarded(self.end, status)
        self._is_open = False

    def _begin(self) -> None:
        path = self.folder / IDS
        ids = read_json(path) if path.exists() else {}
        settings = _flat(read_json(self.folder / CONFIG))
        ids[self.name] = self.begin(ids.get(self.name), settings)
        write_json(path, ids)

    def _guarded(self, task, *words) -> None:
        if task == self._begin:
            self._is_open = True
        if not self._is_open:
            return
        try:
            task(*words)
        except Exception as error:
            self._is_open = False
            print(
                f"fmkeras: The log '{self.name}' failed and is ended; the training "
                f"goes on. Received: {_line(error)}",
                file=sys.stderr,
                flush=True,
            )


class MlflowTracker(Tracker):
    """A run of the experiment fmkeras, in `mlflow/` of the folder of runs."""

    name = "mlflow"

    def connect(self, place: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient

        told = os.environ.get("MLFLOW_TRACKING_URI")
        place = place.resolve()
        self._client = MlflowClient(told or f"sqlite:///{place}/mlflow.db")
        found = self._client.get_experiment_by_name(PROJECT)
        if found is not None:
            self._experiment = found.experiment_id
        else:
            files = None if told else (place / "artifacts").as_uri()
            self._experiment = self._client.create_experiment(PROJECT, files)

    def begin(self, known: str | None, settings: dict) -> str:
        if known is not None:
            self._client.update_run(known, status="RUNNING")
            self._run = known
            return known
        run = self._client.create_run(self._experiment, run_name=self.folder.name)
        self._run = run.info.run_id
        for key, value in settings.items():
            self._client.log_param(self._run, _mlflow_name(key), value)
        self._client.set_tag(self._run, "folder", str(self.folder))
        return self._run

    def log(self, figures: dict[str, float], epoch: int) -> None:
        for name, value in figures.items():
            self._client.log_metric(self._run, _mlflow_name(name), value, step=epoch)

    def end(self, status: str) -> None:
        self._client.set_terminated(self._run, status)


class WandbTracker(Tracker):
    """A run of the project fmkeras, offline in `wandb/` of the folder of runs."""

    name = "wandb"

    def connect(self, place: Path) -> None:
        import wandb

        self._wandb, self._place = wandb, place.parent

    def begin(self, known: str | None, settings: dict) -> str:
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=self.folder.name,
            dir=str(self._place),
            id=known,
            resume="allow" if known else None,
            config=settings,
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=self._wandb.Settings(silent=True, console="off"),
        )
        return self._run.id

    def log(self, figures: dict[str, float], epoch: int) -> None:
        self._run.log(figures | {"epoch": epoch})

    def end(self, status: str) -> None:
        self._run.finish(exit_code=0 if status == "FINISHED" else 1)


def _figures(logs: dict) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}


def _flat(content: dict, prefix: str = "") -> dict:
    """Return nested settings as one level: {'recipe.epochs': 5}."""
    flat = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _mlflow_name(name: str) -> str:
    """Return a name of letters, digits and the marks that MLflow allows."""
    return re.sub(r"[^\w .:/-]", "_", name)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
