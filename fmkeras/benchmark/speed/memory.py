"""How much memory the machine has left for one more competitor."""

from pathlib import Path

MEMINFO = Path("/proc/meminfo")


def available_memory(meminfo: Path = MEMINFO) -> float:
    """Return the bytes that a new process can have without harm; inf if not known."""
    try:
        lines = meminfo.read_text(encoding="utf-8").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        return 1024.0 * int(sizes["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return float("inf")
