"""Contestants as processes, and rounds in which one after another has its turn."""

import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

# The longest that an answer may take, a first compilation included.
PATIENCE = 1_200


def most_images(side: int) -> int:
    """Return how many images of `side` pixels there are: the pixels of 60,000 of 28."""
    return 60_000 * 28**2 // side**2


@dataclass(frozen=True)
class Contestant:
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
        return f"pytorch-{self.kind}"


class ContestantFailed(Exception):
    """A contestant's process ended, or gave no answer; the text says why."""


class Racer:
    """One contestant's process; a context that ends it.

    It trains `model` on images of `side` pixels a side, in batches of `batch_size`
    unless told otherwise; `device` is cpu or gpu.
    """

    def __init__(
        self,
        contestant: Contestant,
        model: str,
        batch_size: int,
        device: str,
        side: int = 28,
    ) -> None:
        self.contestant = contestant
        self.most_images = most_images(side)
        command = [
            sys.executable,
            "-m",
            "fmkeras.benchmark.speed.worker",
            contestant.kind,
        ]
        command += [model, str(batch_size), contestant.precision, str(side)]
        command += ["yes" if contestant.compiled else "no", contestant.augmentation]
        # No compiler finds what it made in another process.
        self._cache = tempfile.TemporaryDirectory()
        environment = os.environ | {
            "TORCHINDUCTOR_CACHE_DIR": self._cache.name,
            "KERAS_BACKEND": contestant.backend,
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

    def __enter__(self) -> "Racer":
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
        last = (self._errors.read().strip().splitlines() or ["no message"])[-1]
        raise ContestantFailed(f"exit code {self._process.returncode}: {last[:200]}")


def let_all(
    racers: list[Racer],
    act: Callable[[Racer], None],
    failed: dict[str, str] | None = None,
    first: int = 0,
) -> None:
    """Let one racer after another act, beginning with number `first`.

    Who fails leaves `racers`, and `failed` has its label and the reason; without
    `failed` that is an error.
    """
    for racer in racers[first:] + racers[:first]:
        try:
            act(racer)
        except ContestantFailed as error:
            if failed is None:
                raise
            failed[racer.contestant.label] = str(error)
            racers.remove(racer)


def run_rounds(
    racers: list[Racer],
    command: str,
    unit: int,
    seconds: float,
    rounds: int,
    *further,
    failed: dict[str, str] | None = None,
) -> dict[str, dict]:
    """Let `racers` take turns; return median and rates, images a second, by label.

    Each does `command` on as many images, a multiple of `unit`, as take it about
    `seconds`; who begins changes from round to round. `failed` is as in `let_all`.
    """
    counts: dict[Racer, int] = {}
    rates: dict[Racer, list[float]] = {racer: [] for racer in racers}

    def begin(racer):
        counts[racer] = _count(racer, command, unit, seconds, *further)

    def take_turn(racer):
        took = racer.ask(command, counts[racer], *further)["seconds"]
        rates[racer].append(counts[racer] / took)

    let_all(racers, begin, failed)
    for number in range(rounds):
        let_all(racers, take_turn, failed, first=number % max(len(racers), 1))
    return {
        racer.contestant.label: {
            "median": round(statistics.median(rates[racer]), 1),
            "rates": [round(rate, 1) for rate in rates[racer]],
            "images": counts[racer],
        }
        for racer in racers
    }


def _count(racer: Racer, command: str, unit: int, seconds: float, *further) -> int:
    """Find how many images take about `seconds`, and warm up for them."""
    most = racer.most_images // unit * unit or unit

    def timed(count: int) -> float:
        # Batches, or data, of a new size are traced or compiled the first time.
        racer.ask(command, count, *further)
        return max(racer.ask(command, count, *further)["seconds"], 1e-6)

    count, took = unit, timed(unit)
    while took < seconds / 2 and count < most:
        factor = min(seconds / took, 8)
        count = min(max(round(count * factor / unit), 2) * unit, most)
        took = timed(count)
    found = min(max(round(count * seconds / took / unit), 1) * unit, most)
    if found != count:
        racer.ask(command, found, *further)
    return found
