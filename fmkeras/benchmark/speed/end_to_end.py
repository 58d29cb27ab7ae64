"""How long a short training takes from command to end, beside a plain script."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.process.failure import error_line

ROUNDS = 3


def measure_end_to_end(data_dir: str | os.PathLike, rounds: int = ROUNDS) -> dict:
    """Train lenet for one epoch as a command and as a plain script, in turns.

    `data_dir` holds the four files of Fashion-MNIST. Returns the seconds of each round
    and the ratio of the medians, imports included. Raises `UserError` where one fails.
    """
    seconds = {"ours": [], "plain": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = ["fmkeras", "train", "--model", "lenet", "--epochs", "1"]
        ours += ["--backend", "torch", "--data-dir", str(data_dir)]
        ours += ["--runs", str(folder / "runs"), "--out", str(folder)]
        plain = ["fmkeras.benchmark.speed.pytorch_script", str(data_dir)]
        plain += [str(folder / "net.pt")]
        # Once unmeasured: files are read, caches are filled.
        for number in range(rounds + 1):
            for label, words in (("ours", ours), ("plain", plain)):
                took = _run([sys.executable, "-m", *words])
                if number:
                    seconds[label].append(round(took, 2))
    medians = {label: statistics.median(found) for label, found in seconds.items()}
    return {**seconds, "ratio": round(medians["ours"] / medians["plain"], 3)}


def _run(command: list[str]) -> float:
    started = time.perf_counter()
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise UserError(
            "A training run failed; expected it to end well. Received: "
            f"{error_line(answer.stderr)}"
        )
    return time.perf_counter() - started
