"""Kill trainings at random moments, resume them, and compare with one never killed."""

import csv
import io
import random
import signal
import zipfile
from pathlib import Path

import h5py
import numpy as np

from faults.commands import (
    GARMENTS,
    Outcome,
    Tally,
    after,
    check_ending,
    fresh,
    random_signal,
    run,
    run_and_signal,
    when_writing,
)

# So often is one run killed before it may end.
KILLS_A_RUN = 6
# What training prints last.
DONE = "\nRun: "
TIMES = ("seconds", "examples_per_second")


def kill_trainings(backend: str, count: int, folder: Path, seed: int) -> Tally:
    """Kill trainings of one backend `count` times; return what was found."""
    tally, generator = Tally(), random.Random(f"{backend} {seed}")
    folder = folder / f"training-{backend}"
    whole = fresh(folder / "whole")
    outcome = run(_train(whole), backend)
    tally.check(outcome.code == 0, f"{backend}: {outcome.text[-600:]}")
    if outcome.code:
        return tally
    expected = _result(whole)
    number = 0
    while sum(tally.kills.values()) < count:
        number += 1
        place = fresh(folder / f"run{number}")
        _kill_one_run(backend, place, outcome.seconds, generator, tally)
        tally.count("runs")
        found = _result(place)
        tally.check(
            found == expected,
            f"{backend}: run {number} differs from the one that was not killed: "
            f"{_differences(found, expected)}",
        )
        left = [path.name for path in place.rglob(".*-partial*")]
        tally.check(not left, f"{backend}: run {number} left {left}")
    return tally


def _kill_one_run(
    backend: str, place: Path, seconds: float, generator: random.Random, tally: Tally
) -> None:
    for _ in range(KILLS_A_RUN):
        words, number = _train(place), random_signal(generator)
        moment, is_time = _moment(place, seconds, generator)
        outcome = run_and_signal(words, backend, number, is_time)
        what = f"{backend}, {signal.Signals(number).name} {moment}"
        if not outcome.signalled:
            tally.check(outcome.code == 0, f"{what}: {outcome.text[-400:]}")
            return
        tally.kill(number, moment)
        check_ending(outcome, number, what, tally, done=DONE)
        _check_words(outcome, number, place, what, tally)
    outcome = run(_train(place), backend)
    tally.check(outcome.code == 0, f"{backend}: resumed: {outcome.text[-400:]}")


def _moment(place: Path, seconds: float, generator: random.Random):
    """Return a moment's name and when it has come."""
    kind = generator.choice(("at a random moment", "at a checkpoint", "at the save"))
    if kind == "at a random moment":
        return kind, after(generator.uniform(0, 1.1 * seconds))
    if kind == "at a checkpoint":
        return kind, when_writing(place, ".npz", generator.randrange(4))
    return kind, when_writing(place, ".keras", 0)


def _check_words(
    outcome: Outcome, number: int, place: Path, what: str, tally: Tally
) -> None:
    """The last line says how to go on with a run that has begun."""
    if number != signal.SIGKILL and _runs(place) and DONE not in outcome.text:
        last = outcome.text.strip().splitlines()[-1] if outcome.text.strip() else ""
        tally.check(
            "--resume" in last or "Epoch" not in outcome.text,
            f"{what}: the last line does not say how to go on: {last!r}",
        )


def _train(place: Path) -> list[str]:
    words = ["train", "--model", "lenet_relu", *GARMENTS, "--epochs", "4"]
    words += ["--batch-size", "50", "--save", "always", "--flip"]
    words += ["--precision", "float32", "--compile", "no"]
    words += ["--out", str(place / "saved"), "--runs", str(place / "runs")]
    found = _runs(place)
    return [*words, "--resume", str(found[0])] if found else words


def _runs(place: Path) -> list[Path]:
    """Return the runs that can be resumed: those with a config."""
    return sorted(path.parent for path in (place / "runs").glob("*/config.json"))


def _result(place: Path) -> dict | None:
    """Return the weights and figures of a finished run, but for times."""
    runs, models = _runs(place), sorted((place / "saved").glob("*.keras"))
    if len(runs) != 1 or len(models) != 1:
        return None
    with zipfile.ZipFile(models[0]) as archive:
        weights = archive.read("model.weights.h5")
    found: dict = {"per_class": (runs[0] / "per_class.csv").read_text()}
    with open(runs[0] / "history.csv", newline="", encoding="utf-8") as file:
        found["history"] = [
            {key: value for key, value in row.items() if key not in TIMES}
            for row in csv.DictReader(file)
        ]
    with h5py.File(io.BytesIO(weights)) as file:
        arrays: dict[str, bytes] = {}
        file.visititems(lambda name, item: _keep(arrays, name, item))
    return found | {"weights": arrays}


def _differences(found: dict | None, expected: dict) -> object:
    if found is None:
        return "no result"
    return {key: found[key] for key in expected if found[key] != expected[key]}.keys()


def _keep(arrays: dict, name: str, item) -> None:
    if isinstance(item, h5py.Dataset):
        arrays[name] = np.asarray(item).tobytes()
