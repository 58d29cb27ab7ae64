"""The measurements behind `auto`, shipped as auto_figures.json in this package.

`fmkeras results` makes the file from the records: rates of training from the
benchmark, accuracies of the default recipes in both precisions on the validation
images: the test images choose nothing.
"""

import functools
import json
from pathlib import Path

from fmkeras.files import write_json
from fmkeras.records import RECORDS, read_records

FIGURES = Path(__file__).with_name("auto_figures.json")
DEVICES = ("cpu", "gpu")
ACCURACY_STUDIES = ("default", "default-bfloat16")


@functools.cache
def load_figures() -> dict:
    """Return the shipped measurements: `speed` by device, `accuracy` by model."""
    return json.loads(FIGURES.read_text(encoding="utf-8"))


def collect_figures(records: Path = RECORDS) -> dict:
    """Return the measurements from the records.

    `speed[device]` holds the `machine` and, of each of its `models`, the
    median rates of `train` (images a second) and the seconds of `first_step`, by
    variant of our engines. `accuracy[model][precision]` lists accuracies on
    the validation images, one a seed, of the runs that hold some back.
    """
    speed = {}
    for kind in DEVICES:
        path = records / f"benchmark-{kind}.json"
        if not path.exists():
            continue
        record = json.loads(path.read_text(encoding="utf-8"))
        models = record["models"]
        speed[kind] = {
            "machine": record.get("machine"),
            "models": {
                name: {
                    "train": _ours(entry["train"], lambda rate: rate["median"]),
                    "first_step": _ours(entry.get("first_step", {}), float),
                }
                for name, entry in sorted(models.items())
                if "train" in entry
            },
        }
    accuracy: dict[str, dict[str, list[float]]] = {}
    for study in ACCURACY_STUDIES:
        for record in read_records(study, records):
            if "validation" not in record:
                continue
            found = accuracy.setdefault(record["model"], {})
            measured = record["validation"]["accuracy"]
            found.setdefault(record["precision"], []).append(measured)
    return {"speed": speed, "accuracy": accuracy}


def update_figures(
    records: Path = RECORDS, path: Path = FIGURES, write: bool = True
) -> bool:
    """Return whether the shipped file is stale; make it anew unless `write` is off."""
    figures = collect_figures(records)
    try:
        stale = json.loads(path.read_text(encoding="utf-8")) != figures
    except (OSError, ValueError):
        stale = True
    if stale and write:
        write_json(path, figures)
    return stale


def _ours(values: dict, figure) -> dict:
    return {
        label: figure(value)
        for label, value in sorted(values.items())
        if label.startswith("ours-")
    }
