"""The table of exported models."""

import json
from pathlib import Path

from fmkeras.records import EXPORTS
from fmkeras.report.tables.markdown import markdown_table, percent

HEADS = (
    "Model",
    "Format",
    "MB",
    "Largest difference",
    "Same class",
    "Accuracy",
    "of .keras",
    "ms an image",
)


def exports_table(root: Path) -> str:
    """Return a row an export; '' in the last column where none was timed."""
    path = root / EXPORTS
    if not path.exists():
        return "No export is recorded yet."
    rows = []
    for one in json.loads(path.read_text(encoding="utf-8"))["exports"]:
        latency = one.get("latency_ms")
        rows.append(
            (
                one["model"],
                one["format"],
                f"{one['bytes'] / 1e6:.2f}",
                f"{one['max_difference']:.1e}",
                f"{one['same_classes']:,} of {one['images']:,}",
                percent(one["accuracy"]),
                percent(one["source_accuracy"]),
                "" if latency is None else f"{latency['median']:.3f}",
            )
        )
    return markdown_table(HEADS, rows, "llrrrrrr")
