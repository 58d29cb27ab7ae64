"""Proof of every network on every backend: one process each, one record of all."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fmkeras.backends import BACKENDS
from fmkeras.errors import UserError, unknown
from fmkeras.experiments.zoo.plan import zoo_names
from fmkeras.files import write_json
from fmkeras.models import model_info
from fmkeras.models.catalogue import CATALOGUE
from fmkeras.process.failure import error_line
from fmkeras.provenance import provenance
from fmkeras.records import PARITY
from fmkeras.text.durations import Countdown

TOLERANCES = {
    "inference": 1e-4,
    "training": 1e-4,
    "gradients": 1e-3,
    "losses": 1e-3,
    "adam_losses": 1e-3,
}
# Or the Adam losses part no more than so many times as far as PyTorch's part from its
# own, from weights one rounding away (see `adam_rounding`).
TIMES_ROUNDING = 3


def run_parity(
    names: Sequence[str] | None = None,
    *,
    backends: Sequence[str] = BACKENDS,
    out: str | os.PathLike | None = PARITY,
    log: Callable[[str], None] = print,
) -> dict:
    """Compare networks with their twins, one process a backend; return the record.

    `names`: `parity_names()` by default. Each result is reported as a line when it
    comes. The record is written to `out` unless that is None; results of other networks
    and backends that stand there stay, each with its own commit, versions and time.
    Raises `UserError` for an unknown name or backend, a record that cannot be read,
    or with the last line of a process that failed.
    """
    names = [model_info(name).name for name in names or parity_names()]
    for backend in backends:
        if backend not in BACKENDS:
            raise unknown("backend", backend, BACKENDS)
    results = {} if out is None else _kept(Path(out))
    countdown = Countdown(len(names) * len(backends), "comparisons", log)
    origin = provenance() | {"cores": os.cpu_count()}
    for backend in backends:
        for measured in _measure(backend, names):
            result = measured | {"proven": has_passed(measured)} | origin
            results[measured["name"], backend] = result
            log(_line(result))
            countdown.done()
    order = list(CATALOGUE)
    ranked = sorted(
        results.values(),
        key=lambda row: (BACKENDS.index(row["backend"]), order.index(row["name"])),
    )
    proven = all(row["proven"] for row in ranked)
    record = {
        "bars": TOLERANCES,
        "times_rounding": TIMES_ROUNDING,
        "proven": proven,
        "results": ranked,
    }
    if out is not None:
        write_json(out, record)
    return record


def parity_names() -> list[str]:
    """Return the networks of the zoo and variants whose figures a source published."""
    zoo = zoo_names()
    return [n for n, info in CATALOGUE.items() if n in zoo or info.published_accuracy]


def has_passed(result: dict) -> bool:
    """Tell whether one result keeps to the bars and to the count of parameters."""
    others = (measure for measure in TOLERANCES if measure != "adam_losses")
    # 'at most' rather than 'not above': a NaN fails.
    return (
        result["parameters"] == result["expected_parameters"]
        and all(result[measure] <= TOLERANCES[measure] for measure in others)
        and adam_agrees(result["adam_losses"], result["adam_rounding"])
    )


def adam_agrees(losses: float, rounding: float) -> bool:
    """Tell whether losses by Adam differ no more than they may."""
    return losses <= TOLERANCES["adam_losses"] or losses <= TIMES_ROUNDING * rounding


def _kept(path: Path) -> dict:
    if not path.exists():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["results"]
        return {(row["name"], row["backend"]): row for row in rows}
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"Cannot read the parity record '{path}'; expected one that was written "
            f"here: delete it or give another path. Received: {error!r}"
        ) from error


def _measure(backend: str, names: list[str]) -> Iterator[dict]:
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-m", "fmkeras.benchmark.parity.measure", *names]
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process:
            try:
                yield from map(json.loads, process.stdout)
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            errors.seek(0)
            raise UserError(
                f"The parity run on {backend} stopped; expected an environment with "
                f"{', '.join(dict.fromkeys(('keras', 'torch', backend)))}. Received: "
                f"{error_line(errors.read())}"
            )


def _line(result: dict) -> str:
    figures = ", ".join(f"{measure} {result[measure]:.1e}" for measure in TOLERANCES)
    return (
        f"{result['backend']:10} {result['name']:20} {figures}; "
        f"{result['seconds']:.0f} s; {'proven' if result['proven'] else 'NOT PROVEN'}"
    )
