"""Proof of every network on every backend: one process each, one record of all."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fmkeras.backends import BACKENDS
from fmkeras.errors import UserError
from fmkeras.files import write_json
from fmkeras.models import list_models, model_info
from fmkeras.provenance import provenance

RECORD = Path("saved_models/records/parity.json")
BARS = {"inference": 1e-4, "training": 1e-4, "gradients": 1e-3, "losses": 1e-3}
# Where a relu's corner falls within float32's rounding, the two sides of one backend
# differ as well; then float64 decides, with a hundredth of the bars.
FLOAT64_SHARE = 0.01


def run_parity(
    names: Sequence[str] | None = None,
    *,
    backends: Sequence[str] = BACKENDS,
    out: str | os.PathLike | None = RECORD,
    report: Callable[[str], None] = print,
) -> dict:
    """Compare networks with their twins, one process a backend; return the record.

    `names`: all by default. Each result is reported as a line when it comes; the
    record is written to `out` unless that is None. A network that fails in float32
    by its gradients or losses is measured again in float64. Raises `UserError` for
    an unknown name, or with the last line of a process that failed.
    """
    names = list(names or list_models())
    for name in names:
        model_info(name)
    results = []
    for backend in backends:
        again = []
        for result in _measure(backend, "float32", names):
            results.append(result)
            if _failures(result, BARS) and not _decided(result):
                again.append(result)
            report(_line(result))
        second = _measure(backend, "float64", [result["name"] for result in again])
        for result, float64 in zip(again, second, strict=True):
            result["float64"] = float64
            report(_line(float64))
    for result in results:
        result["proven"] = is_proven(result)
    record = {**provenance(), "bars": BARS, "cores": os.cpu_count()}
    record["proven"] = all(result["proven"] for result in results)
    record["results"] = results
    if out is not None:
        write_json(out, record)
    return record


def is_proven(result: dict) -> bool:
    """Tell whether one result keeps to the bars and to the count of parameters."""
    if _decided(result):
        return False
    if not _failures(result, BARS):
        return True
    if "float64" not in result:
        return False
    bars = {measure: FLOAT64_SHARE * bar for measure, bar in BARS.items()}
    return not _failures(result["float64"], bars)


def _measure(backend: str, precision: str, names: list[str]) -> Iterator[dict]:
    if not names:
        return
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "JAX_ENABLE_X64": str(int(precision == "float64")),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-m", "fmkeras.benchmark.parity", precision, *names]
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
            last = (errors.read().strip().splitlines() or ["no message"])[-1]
            raise UserError(
                f"The parity run on {backend} stopped; expected keras, torch and "
                f"{backend} in this environment. Received: {last}"
            )


def _failures(result: dict, bars: dict[str, float]) -> list[str]:
    # 'not below' rather than 'above': a NaN fails.
    return [measure for measure, bar in bars.items() if not result[measure] <= bar]


def _decided(result: dict) -> bool:
    """Tell whether the network is wrong whatever float64 may say."""
    return (
        result["parameters"] != result["expected_parameters"]
        or not result["inference"] <= BARS["inference"]
        or not result["training"] <= BARS["training"]
    )


def _line(result: dict) -> str:
    figures = ", ".join(f"{measure} {result[measure]:.1e}" for measure in BARS)
    good = not _decided(result) and not _failures(result, BARS)
    return (
        f"{result['backend']:10} {result['name']:20} {result['precision']}: {figures}; "
        f"{result['seconds']:.0f} s{'' if good else '  above a bar'}"
    )
