"""Kill a loop that saves, at random moments: what is there is always whole.

`python -m faults.saving KIND PATH` is the loop itself, a process to be killed.
"""

import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from faults.commands import ROOT, Tally, fresh

PAIR, CHECKPOINT = "pair", "checkpoint"
BYTES = 200_000


def kill_saving(kind: str, count: int, folder: Path, seed: int) -> Tally:
    """Kill a loop of saving `count` times; look at the files after each."""
    tally, generator = Tally(), random.Random(f"{kind} {seed}")
    path = fresh(folder / kind) / ("a.keras" if kind == PAIR else "a.npz")
    for number in range(count):
        _kill_loop(kind, path, generator.uniform(0, 0.15))
        tally.kill(signal.SIGKILL, f"of a loop that saves a {kind}")
        right = _pair_is_whole(path) if kind == PAIR else _checkpoint_is_whole(path)
        tally.check(right, f"{kind}: kill {number} left what is not whole")
    # The next writer clears what the killed ones left.
    _kill_loop(kind, path, 0.3)
    left = list(path.parent.glob(".*-partial*"))
    tally.check(len(left) <= 2, f"{kind}: {len(left)} temporary files are left")
    return tally


def _kill_loop(kind: str, path: Path, seconds: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "faults.saving", kind, str(path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        stdout=subprocess.PIPE,
    )
    # It has saved once.
    process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    process.wait()
    process.stdout.close()


def _pair_is_whole(path: Path) -> bool:
    from fmkeras.artifacts.pair import card_path

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return json.loads(card_path(path).read_bytes())["sha256"] == digest


def _checkpoint_is_whole(path: Path) -> bool:
    """The newest checkpoint, or else the one before it, is read without an error."""
    from fmkeras.training.checkpoint_file import (
        DamagedCheckpoint,
        previous_path,
        read_checkpoint,
    )

    for candidate in (path, previous_path(path)):
        try:
            state, arrays = read_checkpoint(candidate)
        except DamagedCheckpoint:
            continue
        return (arrays["values"] == state["epochs_done"]).all()
    return False


def _save_for_ever(kind: str, path: Path) -> None:
    import numpy as np

    from fmkeras.artifacts.pair import replacing_pair
    from fmkeras.training.checkpoint_file import write_checkpoint

    for number in itertools.count():
        if kind == PAIR:
            content = os.urandom(BYTES)
            with replacing_pair(path) as (model, card):
                model.write_bytes(content)
                digest = hashlib.sha256(content).hexdigest()
                card.write_text(json.dumps({"sha256": digest, "number": number}))
        else:
            values = np.full(BYTES // 8, float(number))
            state = {"epochs_done": number, "kept_epoch": 0}
            state |= {"history": [], "per_class": []}
            write_checkpoint(path, state, {"values": values})
        if number == 0:
            print("saved", flush=True)


if __name__ == "__main__":
    _save_for_ever(sys.argv[1], Path(sys.argv[2]))
