"""One training repeated over backends and seeds; the records feed the tables."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.files import replacing
from fmkeras.records import RECORDS


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
    for seed in seeds:
        for backend in backends:
            label = f"{model}-{backend}-seed{seed}"
            record = records / name / f"{label}.json"
            if record.exists():
                print(f"{label}: record found, {record}", flush=True)
            else:
                folder = runs / name / label
                _train(model, backend, seed, folder, arguments)
                _keep(folder, record)
            kept.append(json.loads(record.read_text()))
    return kept


def _train(model, backend, seed, folder: Path, arguments) -> None:
    command = [sys.executable, "-m", "fmkeras", "train", "--model", model]
    command += ["--backend", backend, "--seed", str(seed)]
    command += ["--runs", str(folder), "--out", str(folder / "model"), *arguments]
    for begun in sorted(folder.glob("*/checkpoint.npz"))[-1:]:
        command += ["--resume", str(begun.parent)]
    print(f"{model}-{backend}-seed{seed}", flush=True)
    answer = subprocess.run(command, check=False)
    if answer.returncode == 130:
        raise KeyboardInterrupt
    if answer.returncode:
        raise UserError(
            "A training run failed; expected exit code 0: see its message above and "
            f"repeat the command. Received: exit code {answer.returncode}"
        )


def _keep(folder: Path, record: Path) -> None:
    (written,) = folder.glob("*/record.json")
    with replacing(record) as temporary:
        shutil.copyfile(written, temporary)
