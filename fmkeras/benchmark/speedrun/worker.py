"""One run of a speed record in a process of its own.

`python -m fmkeras.benchmark.speedrun.worker KIND GOAL SEED DATA` trains and evaluates;
KIND is ours, pytorch or pytorch-bfloat16, GOAL the JSON of a goal, DATA an .npz file of
the images. Each line of the output is JSON: a row an epoch, then what came of it.
"""

import json
import math
import resource
import sys
import time

import numpy as np

from fmkeras.benchmark.speedrun.goals import Goal
from fmkeras.datasets.splits import Subset
from fmkeras.process import signals
from fmkeras.process.busy import OtherProcesses
from fmkeras.provenance import commit

KINDS = ("ours", "pytorch", "pytorch-bfloat16")


def main(kind: str, goal_text: str, seed: str, data: str) -> None:
    """Make the run, warm it up, then time it."""
    began = time.perf_counter()
    goal = Goal.from_dict(json.loads(goal_text))
    with np.load(data) as arrays:
        train = Subset(arrays["x_train"], arrays["y_train"])
        test = Subset(arrays["x_test"], arrays["y_test"])
    run = make_run(kind, goal, train, test, int(seed))
    # All code is imported by now, before the clock runs.
    code = commit()
    prepared = time.perf_counter() - began
    epochs: list[dict] = []

    def log(row: dict) -> None:
        epochs.append({name: float(f"{row[name]:.6g}") for name in row})
        print(json.dumps(epochs[-1]), flush=True)

    others, started = OtherProcesses(), time.perf_counter()
    right = run.run(log)
    seconds = time.perf_counter() - started
    busy = others.busy_cores()
    result = {
        "kind": kind,
        "seed": int(seed),
        "commit": code,
        "seconds": round(seconds, 3),
        "prepared_in": round(prepared, 1),
        "right": right,
        "accuracy": right / len(test.labels),
        # Of the processes beside this one, while the clock ran.
        "busy_cores": round(busy, 2) if math.isfinite(busy) else None,
        # Kilobytes on Linux.
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "epochs": epochs,
    }
    print(json.dumps({"result": result}), flush=True)


def make_run(kind: str, goal: Goal, train: Subset, test: Subset, seed: int):
    """Return the run of a kind, ready to be timed."""
    if kind == "ours":
        from fmkeras.benchmark.speedrun.ours import OurRun

        return OurRun(goal, train, test, seed)
    from fmkeras.benchmark.speedrun.plain import PlainRun

    precision = "bfloat16" if kind == "pytorch-bfloat16" else "float32"
    return PlainRun(goal, train, test, seed, precision)


if __name__ == "__main__":
    signals.die_with_parent()
    main(*sys.argv[1:])
