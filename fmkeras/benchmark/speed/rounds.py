"""Competitors as processes, and rounds in which one after another has its turn."""

import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from fmkeras.benchmark.speed.spread import WIDE, spread
from fmkeras.process.failure import error_line

# The longest that an answer may take, a first compilation included.
PATIENCE = 1_200


def most_images(side: int) -> int:
    """Return how many images of `side` pixels there are: the pixels of 60,000 of 28."""
    return 60_000 * 28**2 // side**2


@dataclass(frozen=True)
class Competitor:
    """Who takes part: `kind` as in `fmkeras.benchmark.speed.worker`, on a backend."""

    kind: str
    backend: str = "torch"
    precision: str = "float32"
    compiled: bool = False
    augmentation: str = "none"

    @property
    def label(self) -> str:
        """As records and tables name it: ours-jax, keras-fit-torch, pytorch-tuned."""
        if self.kind in ("ours", "keras-fit"):
            short = {"float32": "", "bfloat16": "-bfloat16"}[self.precision]
            compiled = "-compiled" if self.compiled else ""
            changes = {"none": ""}.get(self.augmentation, f"-{self.augmentation}")
            return f"{self.kind}-{self.backend}{short}{compiled}{changes}"
        if self.kind in ("fmkeras-fit", "model-fit"):
            return f"{self.kind}-{self.backend}"
        return f"pytorch-{self.kind}"


class ContestantFailed(Exception):
    """A competitor's process ended, or gave no answer; the text says why."""


class WorkerProcess:
    """One competitor's process; a context that ends it.

    It trains `model` on images of `side` pixels a side, in batches of `batch_size`
    unless told otherwise; `device` is cpu or gpu.
    """

    def __init__(
        self,
        competitor: Competitor,
        model: str,
        batch_size: int,
        device: str,
        side: int = 28,
    ) -> None:
        self.competitor = competitor
        self.most_images = most_images(side)
        command = [
            sys.executable,
            "-m",
            "fmkeras.benchmark.speed.worker",
            competitor.kind,
        ]
        command += [model, str(batch_size), competitor.precision, str(side)]
        command += ["yes" if competitor.compiled else "no", competitor.augmentation]
        # No compiler finds what it made in another process.
        self._cache = tempfile.TemporaryDirectory()
        environment = os.environ | {
            "TORCHINDUCTOR_CACHE_DIR": self._cache.name,
            "KERAS_BACKEND": competitor.backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # jax takes three quarters of a GPU when it starts; others wait beside it.
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        }
        if device == "cpu":
            environment |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(self, *exception) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()
        self._cache.cleanup()

    def ask(self, *words) -> dict:
        """Give one command and return the answer; raise `ContestantFailed`."""
        try:
            self._process.stdin.write(" ".join(map(str, words)) + "\n")
            self._process.stdin.flush()
            ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
            line = self._process.stdout.readline() if ready else ""
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        if self._process.poll() is None and not ready:
            raise ContestantFailed(f"no answer within {PATIENCE} s")
        self._process.wait()
        self._errors.seek(0)
        reason = error_line(self._errors.read())[:200]
        raise ContestantFailed(f"exit code {self._process.returncode}: {reason}")


def for_each_worker(
    workers: list[WorkerProcess],
    act: Callable[[WorkerProcess], None],
    failed: dict[str, str] | None = None,
    first: int = 0,
) -> None:
    """Let one worker after another act, beginning with number `first`.

    Who fails leaves `workers`, and `failed` has its label and the reason; without
    `failed` that is an error.
    """
    for worker in workers[first:] + workers[:first]:
        try:
            act(worker)
        except ContestantFailed as error:
            if failed is None:
                raise
            failed[worker.competitor.label] = str(error)
            workers.remove(worker)


def run_rounds(
    workers: list[WorkerProcess],
    command: str,
    unit: int,
    seconds: float,
    rounds: int,
    *further,
    failed: dict[str, str] | None = None,
    most: int | None = None,
) -> dict[str, dict]:
    """Let `workers` take turns; return median and rates, images a second, by label.

    Each does `command` on as many images, a multiple of `unit`, as take it about
    `seconds`; who begins changes from round to round. `failed`: see `for_each_worker`.
    After `rounds` there are more, up to `most`, while the median of anyone's is known
    worse than to `WIDE`.
    """
    counts: dict[WorkerProcess, int] = {}
    rates: dict[WorkerProcess, list[float]] = {worker: [] for worker in workers}

    def begin(worker):
        counts[worker] = _count(worker, command, unit, seconds, *further)

    def take_turn(worker):
        took = worker.ask(command, counts[worker], *further)["seconds"]
        rates[worker].append(counts[worker] / took)

    for_each_worker(workers, begin, failed)

    def found() -> dict[str, dict]:
        return {
            worker.competitor.label: {
                "median": round(statistics.median(rates[worker]), 1),
                "rates": [round(rate, 1) for rate in rates[worker]],
                "images": counts[worker],
            }
            for worker in workers
        }

    for number in range(most or rounds):
        if number >= rounds and all(spread(f) <= WIDE for f in found().values()):
            break
        for_each_worker(workers, take_turn, failed, first=number % max(len(workers), 1))
    return found()


def _count(
    worker: WorkerProcess, command: str, unit: int, seconds: float, *further
) -> int:
    """Find how many images take about `seconds`, and warm up for them."""
    most = worker.most_images // unit * unit or unit

    def timed(count: int) -> float:
        # Batches, or data, of a new size are traced or compiled the first time.
        worker.ask(command, count, *further)
        return max(worker.ask(command, count, *further)["seconds"], 1e-6)

    count, took = unit, timed(unit)
    while took < seconds / 2 and count < most:
        factor = min(seconds / took, 8)
        count = min(max(round(count * factor / unit), 2) * unit, most)
        took = timed(count)
    found = min(max(round(count * seconds / took / unit), 1) * unit, most)
    if found != count:
        worker.ask(command, found, *further)
    return found
