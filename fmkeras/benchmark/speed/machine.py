"""The machine of a benchmark: processor, threads, load, and whether it is free."""

import os
from collections.abc import Callable

from fmkeras.engines.device import gpu_name, processor_name
from fmkeras.export.runtimes import busy_cores

# Cores that other processes may keep busy before rates are no longer the machine's.
BUSY = 0.2


def describe_machine(device: str) -> dict:
    """Return what a record says of the machine; `device` is cpu or gpu.

    `load` is Linux's mean of the last minute, `busy_cores` those that other processes
    keep busy now; None where they are not known.
    """
    machine = {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "threads": threads(),
        "load": round(os.getloadavg()[0], 2),
        "busy_cores": cores_in_use(),
    }
    return machine | ({"gpu": gpu_name()} if device == "gpu" else {})


def threads() -> int:
    """Return how many threads a competitor takes: all cores, unless told otherwise."""
    allowed = len(os.sched_getaffinity(0))
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(told), allowed) if told.isdecimal() and int(told) else allowed


def cores_in_use() -> float | None:
    """Return how many cores other processes keep busy; None where it is not known."""
    busy = busy_cores()
    return None if busy != busy else round(busy, 2)


def warn_if_busy(busy: float | None, log: Callable[[str], None]) -> None:
    """Say that rates will be too low where others compute."""
    if busy is not None and busy > BUSY:
        log(
            f"Warning: other processes keep {busy:.1f} cores busy. Rates will be too "
            "low and ratios uncertain: end them, and measure again."
        )
