"""Where saved models and records lie; the records of runs, and their summary."""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path

SAVED_MODELS = Path("saved_models")
PICTURES = Path("docs/images")
RECORDS = SAVED_MODELS / "records"
PARITY = RECORDS / "parity.json"
FINETUNE = RECORDS / "finetune.json"
EXPORTS = RECORDS / "exports.json"
AUDIT = RECORDS / "audit.json"
FAULTS = RECORDS / "faults.json"


def speed_record(
    device: str, scaling: bool = False, suffix: str = "", records: Path = RECORDS
) -> Path:
    """Return the record of `fmkeras benchmark` on a device, cpu or gpu.

    `scaling` is over batch and image sizes; `suffix`, such as '-quick', tells other
    settings apart.
    """
    name = "benchmark-growth" if scaling else "benchmark"
    return records / f"{name}-{device}{suffix}.json"


def fit_record(device: str, backend: str = "torch", records: Path = RECORDS) -> Path:
    """Return the record of `fmkeras benchmark-fit` on a device, cpu or gpu."""
    return records / f"benchmark-fit-{backend}-{device}.json"


def search_record(name: str, records: Path = RECORDS) -> Path:
    """Return the record of a finished search of the tuner."""
    return records / f"tune-{name}.json"


def summarise(records: Iterable[dict]) -> list[dict]:
    """Return a row for each network, recipe, backend and precision, over its seeds.

    `backend` names the precision too, where it is not float32; `mean` and `spread`
    (sample standard deviation; None for one seed) are of the test accuracy, 0 to 1.
    """
    groups: dict[tuple, list[dict]] = {}
    for record in records:
        recipe = record["recipe"]
        backend = record["backend"]
        if record["precision"] != "float32":
            backend += f", {record['precision']}"
        key = (record["model"], recipe["name"], recipe["epochs"], backend)
        groups.setdefault(key, []).append(record)
    rows = []
    for (model, recipe, epochs, backend), group in sorted(groups.items()):
        accuracies = [record["test"]["accuracy"] for record in group]
        rows.append(
            {
                "model": model,
                "recipe": recipe,
                "epochs": epochs,
                "backend": backend,
                "seeds": sorted(record["seed"] for record in group),
                "dataset": group[0]["dataset"]["name"],
                "device": group[0]["device"],
                "commits": sorted({str(record["commit"])[:7] for record in group}),
                "mean": statistics.mean(accuracies),
                "spread": statistics.stdev(accuracies) if len(group) > 1 else None,
            }
        )
    return rows


def read_records(name: str, records: Path = RECORDS) -> list[dict]:
    """Return the records of a study, in the order of their names."""
    return [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((records / name).glob("*.json"))
    ]
