"""How the rate of training grows from one process to two, each on a core of its own."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from fmkeras.backends import BACKENDS
from fmkeras.benchmark.speed.machine import describe_machine
from fmkeras.benchmark.speed.record import load_or_create_record
from fmkeras.errors import UserError
from fmkeras.files import write_json
from fmkeras.models import model_info
from fmkeras.process.launched import process_environments
from fmkeras.provenance import provenance
from fmkeras.text.durations import Countdown

NETS = ("lenet_relu", "cnn", "mynet")
BATCH = 128


def run_device_scaling(
    names: Sequence[str] | None = None,
    *,
    out: str | os.PathLike,
    backends: Sequence[str] = BACKENDS,
    rounds: int = 5,
    seconds: float = 1.0,
    batch: int = BATCH,
    log: Callable[[str], None] = print,
) -> dict:
    """Measure one process and two, in turns; return the record.

    Strong: both divide a batch. Weak: each has a batch of its own, so that a step has
    twice the images. The sum of gradients is measured by itself too.

    Args:
        names: `NETS` by default; of networks with inputs of 28 pixels.
        out: the JSON file, written after each network and backend; those that it has
            already, measured with the same settings, are not measured again.
        backends: each by itself.
        rounds: turns of each of the three.
        seconds: about how long a turn takes.
        batch: images a step of one process.
        log: takes lines of progress.

    Raises `UserError` on a machine of one core, and where a process ends.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise UserError(
            "Two processes are measured on a core each; expected a machine of two "
            "cores or more. Received: one core"
        )
    settings = {"rounds": rounds, "seconds_a_round": seconds, "batch_size": batch}
    machine = describe_machine("cpu")
    record = load_or_create_record(Path(out), settings, machine, log)
    names = list(names or NETS)
    pairs = [(name, backend) for name in names for backend in backends]
    countdown = Countdown(len(pairs), "networks and backends", log)
    for name, backend in pairs:
        model_info(name)
        entry = record["models"].setdefault(name, {})
        if backend in entry:
            log(f"{name}, {backend}: measured before")
            countdown.skip()
            continue
        figures = _measure(name, backend, cores, rounds, seconds, batch)
        entry[backend] = figures | provenance()
        write_json(out, record)
        log(_line(name, backend, figures))
        countdown.done()
    return record


def _measure(name, backend, cores, rounds, seconds, batch) -> dict:
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(Replicas(name, backend, cores[:1]))
        two = stack.enter_context(Replicas(name, backend, cores[:2]))
        turns = {"one": (one, batch), "strong": (two, batch), "weak": (two, 2 * batch)}
        steps = {}
        for label, (replicas, images) in turns.items():
            # The first call compiles, the second tells the time of a step.
            replicas.ask(f"train 2 {images}")
            took = replicas.ask(f"train 4 {images}")["seconds"] / 4
            steps[label] = max(int(seconds / took), 1)
        rates = {label: [] for label in turns}
        sums, size = [], 0
        for _ in range(rounds):
            for label, (replicas, images) in turns.items():
                answer = replicas.ask(f"train {steps[label]} {images}")
                rates[label].append(steps[label] * images / answer["seconds"])
            answer = two.ask("sum 20")
            sums.append(answer["seconds"] / 20)
            size = answer["bytes"]
    return {
        **{label: _spread(values) for label, values in rates.items()},
        "sum_seconds": _spread(sums),
        "bytes": size,
    }


class Replicas:
    """Processes that train together, a core each; all are asked at once."""

    def __init__(self, name: str, backend: str, cores: Sequence[int]) -> None:
        variables = [{}]
        if len(cores) > 1:
            variables = process_environments(backend, len(cores), on_gpus=False)
        command = [sys.executable, "-m", "fmkeras.benchmark.speed.replica", name]
        own = {"KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
        own["TF_CPP_MIN_LOG_LEVEL"] = "3"
        self._processes = []
        for core, more in zip(cores, variables, strict=True):
            process = subprocess.Popen(
                command,
                env={**os.environ, **own, **more},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            os.sched_setaffinity(process.pid, {core})
            self._processes.append(process)

    def __enter__(self) -> "Replicas":
        self._answers()
        return self

    def __exit__(self, *error) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def ask(self, line: str) -> dict:
        """Send a line to all processes; return the answer of the first."""
        for process in self._processes:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(line + "\n")
                process.stdin.flush()
        return self._answers()[0]

    def _answers(self) -> list[dict]:
        answers = []
        for process in self._processes:
            line = process.stdout.readline()
            # Libraries print here as well; an answer is an object.
            while line and not line.startswith("{"):
                line = process.stdout.readline()
            if not line:
                raise UserError(
                    "A process of the measurement ended; expected it to go on, on a "
                    "machine with memory for three. Received: exit code "
                    f"{process.wait()}"
                )
            answers.append(json.loads(line))
        return answers


def _spread(values: Sequence[float]) -> dict:
    return {
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
    }


def _line(name: str, backend: str, figures: dict) -> str:
    rates = [f"{label} {figures[label]['median']:,.0f}" for label in _LABELS]
    return f"{name}, {backend}, images/s: {', '.join(rates)}"


_LABELS = ("one", "strong", "weak")
