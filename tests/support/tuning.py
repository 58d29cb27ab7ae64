"""What the tests of searches share: small ones, in this process or in another."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tuner.__main__ import main

ROOT = Path(__file__).parents[2]
BACKEND = os.environ["KERAS_BACKEND"]
CONSTANT = {"epochs": 3, "schedule": "constant", "warmup_epochs": 0.0}
GRID = {
    "hyperparameters": {"batch_size": [45, 90], "learning_rate": [0.01, 0.001]},
    "recipe": CONSTANT,
}
RANGES = {
    "hyperparameters": {
        "batch_size": [45, 90],
        "learning_rate": {"min": 1e-4, "max": 1e-1, "sampling": "log"},
    },
    "recipe": CONSTANT,
}


def search_arguments(folder: Path, name: str, space: dict, *flags: str) -> list[str]:
    """The command of a small search of logistic_regression on drawn garments."""
    path = folder / "space.json"
    path.write_text(json.dumps(space))
    return [
        *("search", "--model", "logistic_regression", "--space", str(path)),
        *("--data", "garments", "--train-size", "300", "--test-size", "20"),
        *("--runs", str(folder), "--name", name, "--backend", BACKEND, *flags),
    ]


def search(arguments: list[str]) -> int:
    """Run a search to its end, in this process."""
    return main(arguments)


def start(arguments: list[str], **options) -> subprocess.Popen:
    """Begin a search in a process of its own."""
    command = [sys.executable, "-m", "tuner", *arguments]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | options
    return subprocess.Popen(command, cwd=ROOT, **options)


def kill_at_random(arguments: list[str], folder: Path, within: float, seed: int):
    """Begin a search and kill -9 it `within` seconds after it began to move on."""
    before = _progress(folder)
    process = start(arguments)
    while process.poll() is None and _progress(folder) == before:
        time.sleep(0.005)
    time.sleep(random.Random(seed).uniform(0, within))
    killed = process.poll() is None
    os.kill(process.pid, signal.SIGKILL) if killed else None
    process.wait()
    return killed


def figures(folder: Path) -> dict[str, tuple]:
    """What must be the same of two searches: values, accuracies, states."""
    record = json.loads((folder / "trials.json").read_text())
    return {
        row["trial"]: (
            row["state"],
            row["values"],
            row["val_accuracies"],
            row["kept_epoch"],
            row["val_loss"],
        )
        for row in record["trials"]
    } | {"best": record["best"]}


def _progress(folder: Path) -> list[tuple[str, int]]:
    names = ("plan.json", "history.csv", "outcome.json", "oracle.json")
    paths = [p for name in names for p in folder.glob(f"**/{name}")]
    return sorted((str(path), path.stat().st_mtime_ns) for path in paths)
