"""The first thing to run on a GPU: does it compute rightly, resume and pay?

Three small models, on each backend that is installed: parity with PyTorch, losses
equal to those of `keras.Model.fit`, a resumed run equal to one never stopped, and
speed beside a plain PyTorch loop. One line a check.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmkeras.backends import BACKENDS
from fmkeras.benchmark.parity.run import TOLERANCES, has_passed, run_parity
from fmkeras.benchmark.speed.rounds import Competitor
from fmkeras.benchmark.speed.run import run_benchmark
from fmkeras.errors import UserError
from fmkeras.process.failure import error_line

MODELS = ("mlp", "lenet_relu", "cnn")
# The mean loss of an epoch, relative to Keras's; rounding grows over its steps.
EXACTNESS = 1e-4
# Few short rounds: enough to see a device that is not used.
ROUNDS = {"rounds": 3, "seconds": 0.3}


@dataclass(frozen=True)
class Check:
    """One line of the result; `passed` is None where it could not be made."""

    backend: str
    model: str
    what: str
    passed: bool | None
    figure: str

    def to_text(self) -> str:
        word = {True: "ok", False: "FAILED", None: "not checked"}[self.passed]
        return (
            f"{self.backend:10}  {self.model:10}  {self.what:9}  {word:11}  "
            f"{self.figure}"
        )


def run_gpu_check(
    device: str = "gpu",
    backends: Sequence[str] = (),
    models: Sequence[str] = MODELS,
    log: Callable[[Check], None] = lambda check: print(check.to_text(), flush=True),
) -> list[Check]:
    """Check every model on every backend; return the checks, each logged when made.

    `device` is gpu, or cpu to try the checks themselves; `backends` are those that are
    installed by default. Raises `UserError` where none is.
    """
    found = [name for name in BACKENDS if importlib.util.find_spec(name)]
    backends = list(backends) or found
    if not backends:
        raise UserError(
            "No backend is installed; expected torch, tensorflow or jax: run "
            "'make gpu-check ACCELERATOR=cuda BACKEND=torch'."
        )
    checks = []
    for backend in backends:
        for check in _checks(backend, device, models):
            checks.append(check)
            log(check)
    return checks


def _checks(backend: str, device: str, models: Sequence[str]) -> Iterator[Check]:
    if importlib.util.find_spec("torch"):
        yield from _parity(backend, models)
    else:
        yield Check(backend, "all", "parity", None, "torch is not installed")
    yield from _device(backend, device, models)
    yield from _speed(backend, device, models)


def _parity(backend: str, models: Sequence[str]) -> Iterator[Check]:
    try:
        results = run_parity(models, backends=[backend], out=None, log=lambda _: None)
    except UserError as error:
        yield Check(backend, "all", "parity", False, str(error))
        return
    for result in results["results"]:
        figures = ", ".join(f"{name} {result[name]:.1e}" for name in TOLERANCES)
        yield Check(backend, result["name"], "parity", has_passed(result), figures)


def _device(backend: str, device: str, models: Sequence[str]) -> Iterator[Check]:
    """Yield exactness and resuming, measured in a process of the backend."""
    command = [sys.executable, "-m", "fmkeras.benchmark.gpu_check.measure"]
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    answer = subprocess.run(
        [*command, device, *models],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        said = error_line(answer.stdout + answer.stderr)
        yield Check(backend, "all", "exactness", False, said)
        return
    for line in answer.stdout.splitlines():
        figures = json.loads(line)
        far, moved = figures["exactness"], figures["resume"]
        yield Check(
            backend,
            figures["name"],
            "exactness",
            far <= EXACTNESS,
            f"losses {far:.1e} from those of Keras (at most {EXACTNESS:.0e})",
        )
        yield Check(
            backend,
            figures["name"],
            "resume",
            moved == 0,
            "bit for bit as never stopped"
            if moved == 0
            else f"a weight differs by {moved:.1e}",
        )


def _speed(backend: str, device: str, models: Sequence[str]) -> Iterator[Check]:
    if not importlib.util.find_spec("torch"):
        yield Check(backend, "all", "speed", None, "torch is not installed")
        return
    competitors = [Competitor("ours", backend), Competitor("tensors")]
    labels = [competitor.label for competitor in competitors]
    with tempfile.TemporaryDirectory() as folder:
        try:
            record = run_benchmark(
                models,
                competitors=competitors,
                out=Path(folder) / "speed.json",
                device=device,
                log=lambda _: None,
                **ROUNDS,
            )
        except UserError as error:
            yield Check(backend, "all", "speed", False, str(error))
            return
    for name in models:
        entry = record["models"][name]
        rates = [entry.get("train", {}).get(label) for label in labels]
        if not all(rates):
            reason = next(iter(entry.get("failed", {}).values()), "not measured")
            yield Check(backend, name, "speed", False, reason)
            continue
        ours, theirs = (rate["median"] for rate in rates)
        yield Check(
            backend,
            name,
            "speed",
            ours >= theirs,
            f"{ours:,.0f} images/s, {ours / theirs:.2f} times a plain PyTorch loop",
        )
