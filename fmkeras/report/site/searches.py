"""The page of searches: every trial of each, from their records."""

import json
from pathlib import Path

from fmkeras.report.tables.tuning import value_text


def read_searches(records: str | Path) -> list[dict]:
    """Return the page's content for each tune-NAME.json in the folder of records.

    Trials come by their validation accuracy, the best first; `heat_map` is the
    picture that a search left, None without one.
    """
    records = Path(records)
    return [_search(path) for path in sorted(records.glob("tune-*.json"))]


def _search(path: Path) -> dict:
    record = json.loads(path.read_text(encoding="utf-8"))
    names = list(record["space"]["hyperparameters"])
    trials = sorted(record["trials"], key=lambda row: -(row["val_accuracy"] or 0))
    picture = path.with_suffix(".png")
    return {
        "name": path.stem.removeprefix("tune-"),
        "record": record,
        "finished": sum(row["state"] == "finished" for row in trials),
        "names": names,
        "trials": [
            row | {"values": [value_text(row["values"].get(name)) for name in names]}
            for row in trials
        ],
        "heat_map": picture if picture.exists() else None,
    }
