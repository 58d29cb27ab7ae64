"""One training repeated over backends and seeds; the records feed the tables."""

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from fmkeras.durations import Countdown
from fmkeras.errors import UserError
from fmkeras.files import replacing
from fmkeras.locks import locked
from fmkeras.records import RECORDS
from fmkeras.signals import SIGNALS, Interrupted, run_child
from fmkeras.training.run_dir import RECORD

_SIGNALLED = {128 + number for number in SIGNALS}


def repeat(
    name: str,
    model: str,
    backends: Sequence[str],
    seeds: Sequence[int],
    arguments: Iterable[str] = (),
    records: Path = RECORDS,
    runs: Path = Path("runs"),
) -> list[dict]:
    """Train `model` once for each backend and seed, each in a process of its own.

    Every run is `fmkeras train` with `arguments`; its record is kept as
    `records/name/MODEL-BACKEND-seedN.json`. Runs whose record is there are not
    repeated, interrupted ones are resumed. Returns all records. Raises `UserError`
    where a run fails.
    """
    kept = []
    pairs = [(seed, backend) for seed in seeds for backend in backends]
    countdown = Countdown(
        len(pairs), "trainings", log=lambda line: print(line, flush=True)
    )
    for seed, backend in pairs:
        label = f"{model}-{backend}-seed{seed}"
        record = records / name / f"{label}.json"
        if record.exists():
            print(f"{label}: record found, {record}", flush=True)
            countdown.skip()
        else:
            folder = runs / name / label
            # Two at once would train in the same folder.
            with locked(folder, f"the study {name}"):
                left = ["--trainings", str(countdown.left)]
                _train(model, backend, seed, folder, [*left, *arguments])
                _keep(folder, record)
            countdown.done()
        kept.append(json.loads(record.read_text(encoding="utf-8")))
    return kept


def _train(model, backend, seed, folder: Path, arguments) -> None:
    command = [sys.executable, "-m", "fmkeras", "train", "--model", model]
    command += ["--backend", backend, "--seed", str(seed)]
    command += ["--runs", str(folder), "--out", str(folder / "model"), *arguments]
    for begun in sorted(folder.glob("*/checkpoint.npz"))[-1:]:
        command += ["--resume", str(begun.parent)]
    print(f"{model}-{backend}-seed{seed}", flush=True)
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
