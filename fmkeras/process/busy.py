"""How many cores other processes keep busy, by what Linux counts of all of them."""

import os
import time
from pathlib import Path

CPU_TIMES = Path("/proc/stat")


class OtherProcesses:
    """What processes other than this one and its children compute from now on."""

    def __init__(self) -> None:
        self._began, self._before = time.perf_counter(), _others_seconds()

    def busy_cores(self) -> float:
        """Return their mean of cores until now; NaN where Linux does not tell."""
        passed = time.perf_counter() - self._began
        return max((_others_seconds() - self._before) / passed, 0.0)


def _others_seconds() -> float:
    """Return the seconds that other processes of the machine have computed so far."""
    try:
        first = CPU_TIMES.read_text(encoding="ascii").splitlines()[0].split()
    except OSError:
        return float("nan")
    user, nice, system, _idle, _wait, *interrupts = map(int, first[1:8])
    every = (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
    return every - sum(os.times()[:4])
