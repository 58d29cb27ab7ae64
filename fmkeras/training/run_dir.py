"""The directory of a run: its name, and the settings it belongs to."""

import contextlib
import datetime
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from fmkeras.datasets import Dataset
from fmkeras.errors import CannotWrite, UserError
from fmkeras.files import make_folder, write_json
from fmkeras.files.locks import is_locked
from fmkeras.files.reading import read_json, reason_of
from fmkeras.labels import CLASS_NAMES
from fmkeras.process.signals import Interrupted
from fmkeras.recipes import START, Recipe
from fmkeras.training.checkpoint_file import previous_path

CONFIG = "config.json"
RECORD = "record.json"
CHECKPOINT = "checkpoint.npz"
# Of a training that would fail in the same place again: why.
FAILED = "failed.txt"
# Of a config.json, as far as resuming reads it; the recipe checks its own fields.
CONFIG_FORM = {
    "model": str,
    "options": dict,
    "recipe": dict,
    "seed": int,
    "backend": str,
    "dataset": {"name": str},
    "environment?": (dict, type(None)),
    "arguments?": (dict, type(None)),
}
_MEANS_NOTHING = ("recipe.name", "dataset.source")
_MAY_BE_LEFT_OUT = ("options", "start", "teacher", "architecture")


class TrainingInterrupted(Interrupted):
    """A signal during training: `run_dir` keeps what `epochs_done` epochs made.

    The message says so, and which command goes on.
    """

    def __init__(
        self,
        message: str,
        run_dir: Path,
        epochs_done: int,
        interrupt: KeyboardInterrupt,
    ) -> None:
        super().__init__(getattr(interrupt, "number", signal.SIGINT))
        self.message = message
        self.run_dir = run_dir
        self.epochs_done = epochs_done

    def __str__(self) -> str:
        return self.message


@contextlib.contextmanager
def naming_the_run(folder: Path, epochs_done: int) -> Iterator[None]:
    """Raise `TrainingInterrupted` for a signal after the last epoch."""
    try:
        yield
    except TrainingInterrupted:
        raise
    except KeyboardInterrupt as interrupt:
        message = f"Interrupted after the last epoch. {resume_text(folder)}"
        raise TrainingInterrupted(
            message, folder, epochs_done, interrupt
        ) from interrupt


def interrupt_message(checkpoint) -> str:
    """Return what an interrupted training has kept, and the command that goes on."""
    if not checkpoint.exists():
        return "Interrupted before the first steps were done: nothing was kept."
    place = f"epoch {checkpoint.epochs_done}"
    if checkpoint.steps_done:
        place += f" and {checkpoint.steps_done} steps"
    return f"Interrupted. Kept up to {place}. {resume_text(checkpoint.path.parent)}"


def resume_text(folder: Path) -> str:
    """Return the commands that go on with a run."""
    path = shlex.quote(str(folder))
    return f"make train RESUME={path} goes on (fmkeras train --resume {path})."


def artifact_name(model_name: str, dataset: Dataset) -> str:
    """Return the file name of a model; for Fashion-MNIST, the network's name."""
    if model_name.endswith(".keras"):
        model_name = Path(model_name).stem
    if dataset.name == "fashion-mnist" and dataset.class_names == CLASS_NAMES:
        return model_name
    return f"{model_name}-{dataset.name}"


def kept_text(model: Path, epoch: int) -> str:
    """Return where a training that failed has kept a model, and how to go on from it.

    To resume it would fail in the same place.
    """
    return (
        f"The weights of epoch {epoch} are kept: make train "
        f"INIT={shlex.quote(str(model))} goes on from them with other settings "
        f"(fmkeras train --init-from {shlex.quote(str(model))})."
    )


def new_run_dir(runs: str | Path, model: str, backend: str, seed: int) -> Path:
    """Return the path of a new run's folder, by time, network, backend and seed."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
    return Path(runs) / f"{stamp}-{model}-{backend}-seed{seed}"


def resume_dir(resume: str | Path, runs: str | Path) -> Path:
    """Return the folder of a run to go on with; raise `UserError` if it is none.

    The word `last` means the newest run in `runs` that was interrupted.
    """
    if str(resume) == "last":
        begun = interrupted_runs(runs)
        if not begun:
            raise UserError(
                f"No run in '{runs}' was interrupted and kept something; expected one "
                "that can go on: start a training, or give the folder of another run. "
                "Received: last"
            )
        return begun[-1]
    elif (Path(resume) / CONFIG).exists():
        return Path(resume)
    raise UserError(
        f"There is no run to resume; expected a folder with a {CONFIG}, as each run "
        f"has in '{runs}', or the word last. Received: {str(resume)!r}"
    )


def interrupted_runs(runs: str | Path) -> list[Path]:
    """Return the folders in `runs` of trainings that can go on, oldest first.

    They have kept something, and neither ended nor failed.
    """
    try:
        begun = sorted(Path(runs).glob(f"*/{CONFIG}"), key=_changed)
    except OSError:
        # To make the folder will tell why.
        return []
    return [
        path.parent
        for path in begun
        if has_checkpoint(path.parent)
        and not (path.parent / RECORD).exists()
        and not (path.parent / FAILED).exists()
        and not is_locked(path.parent)
    ]


def has_checkpoint(folder: Path) -> bool:
    """Say whether a run has kept a checkpoint, whole or damaged.

    A kill while one is put in its place leaves that before it alone.
    """
    newest = folder / CHECKPOINT
    return newest.exists() or previous_path(newest).exists()


def read_config(folder: Path) -> dict:
    """Return the settings of a run; raise `UserError` where they cannot be read."""
    path = folder / CONFIG
    try:
        return read_json(path, CONFIG_FORM)
    except (OSError, ValueError) as error:
        raise UserError(
            f"The settings '{path}' cannot be read; expected those of the run that is "
            f"to go on: start it anew, elsewhere. Received: {reason_of(error)}"
        ) from error


def ensure_run_dir(
    folder: Path, config: dict, environment: dict, arguments: dict | None = None
) -> Path:
    """Make the folder of a run, or check that it holds one of the same settings.

    `arguments` are written beside them, for resuming.

    Raises `UserError` with the fields that differ. What differs in the `environment`
    (threads, versions, device) may change figures, and is told on stderr.
    """
    path = make_folder(folder) / CONFIG
    if not path.exists():
        more = {"environment": environment, "arguments": arguments}
        write_json(path, {**config, **more})
        return folder
    settings = read_config(folder)
    if isinstance(settings.get("recipe"), dict):
        # Runs of before lack fields that came since, and trained without them.
        settings["recipe"] = Recipe().to_dict() | settings["recipe"]
    before = settings.get("environment")
    changed = different_fields(settings, config)
    if changed:
        raise UserError(
            f"The run '{folder}' had other settings; expected "
            f"{_listed(changed, 0)}: start a new run for others. "
            f"Received: {_listed(changed, 1)}"
        )
    changed = {}
    if isinstance(before, dict):
        changed = different_fields({"devices": 1, **before}, environment)
    if changed:
        print(
            f"The run began with {_listed(changed, 0)}, and goes on with "
            f"{_listed(changed, 1)}: its figures may differ in the last digits.",
            file=sys.stderr,
        )
    return folder


def beginning(folder: Path, commit: str | None) -> dict:
    """Return what a record says of the code that began a run, where it was other."""
    began = (read_config(folder).get("environment") or {}).get("commit")
    return {} if began in (None, commit) else {"began_at_commit": began}


def different_fields(settings: dict, config: dict) -> dict[str, tuple]:
    """Return the fields that `settings` has otherwise than `config`, by dotted name.

    Of what only one of them has, those of `config` count, and of `settings` what the
    call may have left out: options of the network, and how it started. Each has the
    value in `settings`, then that in `config`. What a recipe or the file of a start is
    called and where a data set was read do not matter: fields and checksums say what
    they are.
    """
    found, wanted = dict(_fields(settings)), dict(_fields(config))
    left_out = [n for n in found if n.partition(".")[0] in _MAY_BE_LEFT_OUT]
    return {
        name: (found.get(name), wanted.get(name))
        for name in dict.fromkeys([*wanted, *left_out])
        if found.get(name) != wanted.get(name) and _means_something(name)
    }


def _means_something(name: str) -> bool:
    part, _, field = name.partition(".")
    return field in START if part == "start" else name not in _MEANS_NOTHING


def _fields(content: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _fields(value, f"{name}.{key}" if name else str(key))
    else:
        # As JSON has it: a tuple comes back as a list.
        yield name, list(content) if isinstance(content, tuple) else content


def _listed(changed: dict[str, tuple], side: int) -> str:
    return ", ".join(f"{name} {values[side]}" for name, values in changed.items())


def _changed(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def check_run_dir(folder: Path) -> None:
    """Raise `UserError` where the folder of a run vanished while it trained."""
    if not (folder / CONFIG).exists():
        raise CannotWrite(
            f"The folder of the run vanished; expected '{folder / CONFIG}' to stay "
            "there until the run ends: start the run anew. Received: no such file"
        )
