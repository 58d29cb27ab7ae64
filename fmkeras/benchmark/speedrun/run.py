"""The runs of a speed record: alternating with plain PyTorch, one process a run."""

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmkeras.benchmark.speedrun.goals import LEAST_RUNS, LEVEL, Goal
from fmkeras.benchmark.speedrun.record import add_run, find_or_create, planned_runs
from fmkeras.benchmark.speedrun.worker import KINDS
from fmkeras.datasets import Dataset
from fmkeras.engines.device import device_kind, has_bfloat16_hardware
from fmkeras.errors import UserError
from fmkeras.process.failure import error_line
from fmkeras.process.signals import SIGNALS, Interrupted, run_child
from fmkeras.provenance import provenance
from fmkeras.records import SPEEDRUNS

_SIGNALLED = {128 + number for number in SIGNALS}


@dataclass(frozen=True)
class Verdict:
    """What the runs of a goal show.

    Attributes:
        count: the number of runs.
        mean, deviation: of the accuracies, 0 to 1; the deviation of one run is 0.
        p_value: of a mean at most at the bar, by a one-sided t test.
        reached: at least ten runs, all that were planned, and the p-value below
            `LEVEL`.
    """

    count: int
    mean: float
    deviation: float
    p_value: float
    reached: bool


def verdict(
    accuracies: Sequence[float], bar: float, planned: int = LEAST_RUNS
) -> Verdict:
    """Return what the accuracies of runs show of their mean and a bar.

    planned: how many runs there were to be: a test that is looked at after each run
    rejects too often.
    """
    count, mean = len(accuracies), statistics.mean(accuracies)
    deviation = statistics.stdev(accuracies) if count > 1 else 0.0
    if deviation == 0.0:
        # One run, or runs that are all alike: nothing is known of the spread.
        return Verdict(count, mean, 0.0, 1.0, False)
    from scipy.stats import ttest_1samp

    p_value = float(ttest_1samp(accuracies, bar, alternative="greater").pvalue)
    reached = count >= max(LEAST_RUNS, planned) and p_value < LEVEL
    return Verdict(count, mean, deviation, p_value, reached)


def speedrun(
    name: str,
    goal: Goal,
    dataset: Dataset,
    *,
    device: str,
    backend: str = "torch",
    runs: int = LEAST_RUNS,
    beside: int = 3,
    folder: Path = SPEEDRUNS,
    log: Callable[[str], None] = print,
) -> tuple[Path, dict]:
    """Train `runs` times by the engine; return the record and where it is kept.

    Args:
        name: of the goal, part of the record's name.
        goal: what is trained.
        dataset: all its training images are trained on.
        device: in one line, as the record has it.
        backend: of our runs.
        runs: seeds 0, 1 and so on. The record has the number from its beginning;
            another number is another record.
        beside: the first so many seeds are trained by plain PyTorch too, in float32
            and, where there is hardware for it, in bfloat16, one after another, so that
            all see the same machine.
        folder: of the records. Runs that are in a record of the same goal, backend,
            device, data, commit, versions and number of runs are not repeated (see
            `find_or_create`).
        log: takes a line a run.

    Raises `UserError` where a run fails, or the code changes meanwhile: each run is a
    process of its own, which imports the code as it is then.
    """
    settings = {
        "goal": json.loads(json.dumps(goal.to_dict())),
        "backend": backend,
        "device": device,
        "dataset": {"name": dataset.name, "checksum": dataset.checksum},
        "planned": runs,
    }
    path, record = find_or_create(folder, name, settings, provenance())
    done = {(run["kind"], run["seed"]) for run in record["runs"]}
    low = has_bfloat16_hardware(device_kind())
    kinds = [kind for kind in KINDS if low or kind != "pytorch-bfloat16"]
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "data.npz"
        np.savez(
            data,
            x_train=dataset.x_train,
            y_train=dataset.y_train,
            x_test=dataset.x_test,
            y_test=dataset.y_test,
        )
        for seed in range(runs):
            for kind in kinds if seed < beside else KINDS[:1]:
                if (kind, seed) in done:
                    continue
                run = _run(kind, goal, seed, data, backend)
                add_run(path, record, run)
                log(run_text(run))
    return path, record


def run_text(run: dict) -> str:
    """Return one run in a line."""
    return (
        f"{run['kind']:<17} seed {run['seed']:>2}: {100 * run['accuracy']:.2f} % in "
        f"{run['seconds']:.1f} s (prepared in {run['prepared_in']:.0f} s)"
    )


def record_text(record: dict) -> str:
    """Return what the runs of a record show, in lines."""
    bar = record["goal"]["bar"]
    by_kind = {kind: [r for r in record["runs"] if r["kind"] == kind] for kind in KINDS}
    found = verdict(
        [run["accuracy"] for run in by_kind["ours"]], bar, planned_runs(record)
    )
    seconds = [run["seconds"] for run in by_kind["ours"]]
    word = "reached" if found.reached else "not shown"
    lines = [
        f"{100 * bar:.0f} % {word}: mean {100 * found.mean:.3f} % of {found.count} "
        f"runs (p {found.p_value:.2g}), {seconds_text(seconds)}"
    ]
    for kind in KINDS[1:]:
        theirs, ratios = beside(record, kind)
        if ratios:
            lines.append(
                f"{kind}: {seconds_text(theirs)}, {statistics.mean(ratios):.2f} times "
                "as long on the same seeds"
            )
    return "\n".join(lines)


def seconds_text(seconds: Sequence[float]) -> str:
    """Return the mean of some runs' seconds, their range, and how many they are."""
    mean, count = f"{statistics.mean(seconds):.1f} s", len(seconds)
    if count == 1:
        return f"{mean} (1 run)"
    return f"{mean} ({min(seconds):.1f} to {max(seconds):.1f}, {count} runs)"


def beside(record: dict, kind: str) -> tuple[list[float], list[float]]:
    """Return the seconds of another kind, and how many times ours of the same seeds."""
    ours = {r["seed"]: r["seconds"] for r in record["runs"] if r["kind"] == "ours"}
    theirs = {r["seed"]: r["seconds"] for r in record["runs"] if r["kind"] == kind}
    both = [seed for seed in theirs if seed in ours]
    return [theirs[seed] for seed in both], [theirs[seed] / ours[seed] for seed in both]


def _run(kind: str, goal: Goal, seed: int, data: Path, backend: str) -> dict:
    """Make one run in a process of its own; return its result."""
    module = "fmkeras.benchmark.speedrun.worker"
    command = [sys.executable, "-m", module, kind, json.dumps(goal.to_dict())]
    out, errors = data.with_name("out"), data.with_name("errors")
    environment = {**os.environ, "KERAS_BACKEND": backend}
    with out.open("wb") as stdout, errors.open("wb") as stderr:
        code = run_child(
            [*command, str(seed), str(data)],
            env=environment,
            stdout=stdout,
            stderr=stderr,
        )
    if code in _SIGNALLED:
        raise Interrupted(code - 128)
    lines = out.read_text(encoding="utf-8").splitlines()
    if code or not lines:
        said = errors.read_text(encoding="utf-8", errors="replace")
        raise UserError(
            f"A run of {kind} failed; expected it to end well. Received: exit code "
            f"{code}, {error_line(said)}"
        )
    return json.loads(lines[-1])["result"]
