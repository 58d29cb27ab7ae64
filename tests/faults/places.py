"""Places that fail: a full disk, no inodes, a folder that vanishes or is read-only."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from faults.commands import GARMENTS, HANGS, Tally, fresh, run, start


def fail_places(backend: str, folder: Path) -> Tally:
    """Train where each place fails: one line, exit code 2, and the run goes on later.

    A file system of its own needs root; without it those three are not counted.
    """
    tally = Tally()
    folder = fresh(folder / "places")
    _vanish(backend, folder, tally)
    if os.geteuid() == 0:
        _fill(backend, folder / "full", "size=220k", "size=100m", tally)
        _fill(backend, folder / "inodes", "nr_inodes=8", "nr_inodes=10k", tally)
        _fill(backend, folder / "read-only", "ro", "rw", tally)
    return tally


def _train(place: Path, resume: Path | None = None) -> list[str]:
    words = ["train", "--model", "lenet_relu", *GARMENTS, "--epochs", "4"]
    words += ["--runs", str(place / "runs"), "--out", str(place / "saved")]
    return words if resume is None else [*words, "--resume", str(resume)]


def _fill(backend: str, place: Path, bad: str, good: str, tally: Tally) -> None:
    """Train on a file system with the option `bad`, then go on with `good`."""
    name = place.name
    with _file_system(place, bad):
        outcome = run(_train(place), backend)
        _check_one_line(outcome, f"{name}", tally)
        options = f"remount,{good}"
        subprocess.run(["mount", "-o", options, str(place)], check=True)
        runs = sorted(path.parent for path in place.glob("runs/*/config.json"))
        outcome = run(_train(place, runs[0] if runs else None), backend)
        tally.check(outcome.code == 0, f"{name}, later: {outcome.text[-400:]}")
    tally.count(f"place: {name}")


@contextlib.contextmanager
def _file_system(place: Path, options: str) -> Iterator[None]:
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    subprocess.run(command, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def _vanish(backend: str, folder: Path, tally: Tally) -> None:
    """Remove the folder of a run while it trains."""
    place = folder / "vanished"
    process = start([*_train(place), "--epochs", "200"], backend)
    while process.poll() is None and not list(place.glob("runs/*/history.csv")):
        time.sleep(0.05)
    shutil.rmtree(place / "runs", ignore_errors=True)
    text, _ = process.communicate(timeout=HANGS)
    tally.check(process.returncode == 2, f"vanished: exit code {process.returncode}")
    tally.check("Traceback" not in text, f"vanished: {text[-600:]!r}")
    tally.check(
        not list(place.glob("runs/*/config.json")), "vanished: the run was made again"
    )
    tally.count("place: vanished")


def _check_one_line(outcome, what: str, tally: Tally) -> None:
    tally.check(outcome.code == 2, f"{what}: exit code {outcome.code}")
    tally.check("Traceback" not in outcome.text, f"{what}: {outcome.text[-600:]!r}")
