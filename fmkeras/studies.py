"""The same training over backends and seeds, its records kept for the tables."""

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.files import replacing

RECORDS = Path("saved_models/records")


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
                print(f"{label}: kept from before, {record}", flush=True)
            else:
                folder = runs / name / label
                _train(model, backend, seed, folder, arguments)
                _keep(folder, record)
            kept.append(json.loads(record.read_text()))
    return kept


def summarise(records: Iterable[dict]) -> list[dict]:
    """Return a row for each network, recipe, backend and precision, over its seeds.

    `backend` names the precision too, where it is not float32; `mean` and `spread`
    (sample standard deviation; None for one seed) are of the test accuracy, 0 to 1.
    """
    groups: dict[tuple, list[dict]] = {}
    for record in records:
        recipe = record["recipe"]
        backend = record["backend"]
        if record["precision"] != "float32":
            backend += f", {record['precision']}"
        key = (record["model"], recipe["name"], recipe["epochs"], backend)
        groups.setdefault(key, []).append(record)
    rows = []
    for (model, recipe, epochs, backend), group in sorted(groups.items()):
        accuracies = [record["test"]["accuracy"] for record in group]
        rows.append(
            {
                "model": model,
                "recipe": recipe,
                "epochs": epochs,
                "backend": backend,
                "seeds": sorted(record["seed"] for record in group),
                "dataset": group[0]["dataset"]["name"],
                "device": group[0]["device"],
                "commits": sorted({str(record["commit"])[:7] for record in group}),
                "mean": statistics.mean(accuracies),
                "spread": statistics.stdev(accuracies) if len(group) > 1 else None,
            }
        )
    return rows


def read_records(name: str, records: Path = RECORDS) -> list[dict]:
    """Return the records of a study, in the order of their names."""
    return [
        json.loads(path.read_text()) for path in sorted((records / name).glob("*.json"))
    ]


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
            "A training run failed; expected all to end well: see its message above, "
            f"mend it and repeat. Received: exit code {answer.returncode}"
        )


def _keep(folder: Path, record: Path) -> None:
    (written,) = folder.glob("*/record.json")
    with replacing(record) as temporary:
        shutil.copyfile(written, temporary)
