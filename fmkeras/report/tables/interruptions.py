"""The table of `make test-faults`: kills, failing places, races, and what failed."""

import json
from pathlib import Path

from fmkeras.records import FAULTS
from fmkeras.report.tables.markdown import markdown_table

_SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")


def interruptions_table(root: Path, argument: str = "") -> str:
    """Return a row for each part of the record, or a line that there is none."""
    path = root / FAULTS
    if not path.exists():
        return "Not recorded yet: `make test-faults ARGS=--record`."
    record = json.loads(path.read_text(encoding="utf-8"))
    rows = [_row(name, part) for name, part in record["parts"].items()]
    heads = ("part", *_SIGNALS, "moments and places", "failures")
    kills = sum(sum(part["kills"].values()) for part in record["parts"].values())
    note = (
        f"{kills} kills in {record['minutes']:.0f} minutes on {record['cores']} cores, "
        f"seed {record['seed']}, commit {(record['commit'] or 'unknown')[:7]}."
    )
    return f"{markdown_table(heads, rows, 'lrrrrlr')}\n\n{note}"


def _row(name: str, part: dict) -> tuple[str, ...]:
    kills = (str(part["kills"].get(signal, "")) for signal in _SIGNALS)
    counts = ", ".join(
        what if what.startswith(("place", "race")) else f"{what}: {count}"
        for what, count in sorted(part["counts"].items())
    )
    return (name, *kills, counts, str(len(part["failures"])))
