"""The directory of a run: its name, and the settings it belongs to."""

import datetime
import json
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.files import make_folder, write_json

RUNS = "runs"
CONFIG = "config.json"


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during training: `run_dir` keeps what `epochs_done` epochs made."""

    def __init__(self, run_dir: Path, epochs_done: int) -> None:
        super().__init__(f"Training in {run_dir} after {epochs_done} epochs")
        self.run_dir = run_dir
        self.epochs_done = epochs_done


def new_run_dir(runs: str | Path, model: str, backend: str, seed: int) -> Path:
    """Return the path of a new run's folder, by time, network, backend and seed."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
    return Path(runs) / f"{stamp}-{model}-{backend}-seed{seed}"


def resume_dir(resume: str | Path, runs: str | Path) -> Path:
    """Return the folder of a run to resume; raise `UserError` if it is none."""
    if not (Path(resume) / CONFIG).exists():
        raise UserError(
            f"There is no run to resume; expected a folder with a {CONFIG}, as "
            f"each run has in '{runs}'. Received: {str(resume)!r}"
        )
    return Path(resume)


def ensure_run_dir(folder: Path, config: dict) -> Path:
    """Make the folder of a run, or check that it holds one of the same settings."""
    path = make_folder(folder) / CONFIG
    if not path.exists():
        write_json(path, config)
        return folder
    try:
        settings = dict(json.loads(path.read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise UserError(
            f"The settings '{path}' cannot be read; expected those of the run that is "
            f"to go on: start it anew, elsewhere. Received: {error}"
        ) from error
    # As JSON has it: a tuple of options comes back as a list.
    for key, value in json.loads(json.dumps(config)).items():
        if _identity(settings.get(key)) != _identity(value):
            raise UserError(
                f"The run '{folder}' had another {key}; expected the settings it was "
                f"started with: {settings.get(key)}. Received: {value}"
            )
    return folder


def check_run_dir(folder: Path) -> None:
    """Raise `UserError` where the folder of a run vanished while it trained."""
    if not (folder / CONFIG).exists():
        raise UserError(
            f"The folder of the run vanished; expected '{folder / CONFIG}' to stay "
            "there until the run ends: start the run anew. Received: no such file"
        )


def _identity(value):
    """Return settings without the data set's location: its checksum identifies it."""
    if isinstance(value, dict) and "checksum" in value:
        return {key: part for key, part in value.items() if key != "source"}
    return value
