"""One training repeated over backends and seeds; the records feed the tables."""

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.experiments.divide import divide
from fmkeras.files import replacing
from fmkeras.files.locks import wait_until_free
from fmkeras.process.signals import SIGNALS, Interrupted, run_child
from fmkeras.recipes import HOW, Recipe, learns_alike
from fmkeras.records import RECORDS, read_record
from fmkeras.text.durations import Countdown
from fmkeras.training.run_dir import CONFIG, RECORD, has_checkpoint, read_config

# Flags of train that belong to each run.
_OWN_FLAGS = ("--model", "--backend", "--seed", "--runs", "--out", "--resume")
_SIGNALLED = {128 + number for number in SIGNALS}


@dataclass(frozen=True)
class _Run:
    backend: str
    seed: int
    label: str
    record: Path
    folder: Path


def repeat(
    name: str,
    model: str,
    backends: Sequence[str],
    seeds: Sequence[int],
    arguments: Iterable[str] = (),
    records: Path = RECORDS,
    runs: Path = Path("runs"),
    recipe: Recipe | None = None,
    is_asked: Callable[[dict], bool] = lambda told: True,
) -> list[dict]:
    """Train `model` once for each backend and seed, each in a process of its own.

    Every run is `fmkeras train` with `arguments`; its record is kept as
    `records/name/MODEL-BACKEND-seedN.json`. Runs whose record is there are not
    repeated, interrupted ones are resumed. Several processes that are given the same
    runs divide them (see `divide`). Returns all records. Raises `UserError` where a run
    fails, where `arguments` hold a flag that each run has of its own, or where a record
    is of another recipe than `recipe`, that of the arguments, if it is given, or not
    what `is_asked` for, which takes a record or the settings of a run that was begun.
    """
    arguments = list(arguments)
    backends, seeds = (list(dict.fromkeys(words)) for words in (backends, seeds))

    def fits(told: dict, free: Sequence[str] = HOW) -> bool:
        same = recipe is None or learns_alike(told["recipe"], recipe, free)
        return same and is_asked(told)

    def can_go_on(told: dict) -> bool:
        # A run goes on as it began: in its precision and compilation too.
        return fits(told, ("name",))

    for flag in arguments:
        if flag.partition("=")[0].replace("_", "-") in _OWN_FLAGS:
            raise UserError(
                "Each run has this flag of its own; expected other flags of train. "
                f"Received: {flag}"
            )
    tasks = [
        _Run(backend, seed, label, records / name / f"{label}.json", folder)
        for seed in seeds
        for backend in backends
        for label in [f"{model}-{backend}-seed{seed}"]
        for folder in [runs / name / label]
    ]
    countdown = Countdown(
        len(tasks), "trainings", log=lambda line: print(line, flush=True)
    )
    for run in tasks:
        if run.record.exists():
            _read(run.record, fits)
            print(f"{run.label}: record found, {run.record}", flush=True)
            countdown.skip()

    def work(run: _Run) -> None:
        left = ["--trainings", str(countdown.left)]
        _train(model, run, [*left, *arguments], can_go_on)
        _keep(run.folder, run.record)
        countdown.done()

    divide(
        tasks,
        is_done=lambda run: run.record.exists(),
        folder_of=lambda run: run.folder,
        work=work,
        what=f"the study {name}",
        log=lambda line: print(line, flush=True),
    )
    # Another process of this name may have trained by another recipe.
    return [_read(run.record, fits) for run in tasks]


def _read(path: Path, fits: Callable[[dict], bool]) -> dict:
    """Return a record; raise `UserError` where it does not fit."""
    record = read_record(path)
    if not fits(record):
        raise UserError(
            f"The record '{path}' is of another recipe than these runs, or of other "
            "data, options or precision; expected the same: give the study another "
            "name, or move the record away to train anew."
        )
    return record


def _train(
    model: str, run: _Run, arguments: Iterable[str], can_go_on: Callable[[dict], bool]
) -> None:
    command = [sys.executable, "-m", "fmkeras", "train", "--model", model]
    command += ["--backend", run.backend, "--seed", str(run.seed)]
    command += ["--runs", str(run.folder), "--out", str(run.folder / "model")]
    command += arguments
    for path in sorted(run.folder.glob(f"*/{CONFIG}"), reverse=True):
        begun = path.parent
        # One of other settings stays where it is, and another begins.
        if has_checkpoint(begun) and can_go_on(read_config(begun)):
            wait_until_free(begun)
            command += ["--resume", str(begun)]
            break
    print(run.label, flush=True)
    code = run_child(command)
    if code in _SIGNALLED:
        raise Interrupted(code - 128)
    if code:
        raise UserError(
            "A training run failed; expected exit code 0: see its message above and "
            f"repeat the command. Received: exit code {code}"
        )


def _keep(folder: Path, record: Path) -> None:
    """Copy the record of the run that ended last."""
    written = max(folder.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime)
    with replacing(record) as temporary:
        shutil.copyfile(written, temporary)
