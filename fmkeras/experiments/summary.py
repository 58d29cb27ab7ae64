"""Means and spreads of records over their seeds."""

import json
import statistics
from collections.abc import Iterable

from fmkeras.recipes import learned_fields
from fmkeras.records import commits_of


def summarise(records: Iterable[dict]) -> list[dict]:
    """Return a row for each network, recipe, backend and precision, over its seeds.

    `backend` names the precision too, where it is not float32; `mean` and `spread`
    (sample standard deviation; None for one seed) are of the test accuracy, 0 to 1.
    """
    groups: dict[tuple, list[dict]] = {}
    for record in records:
        if "test" not in record:
            # Of a study, which measures on validation images alone.
            continue
        recipe = record["recipe"]
        backend = record["backend"]
        if record["precision"] != "float32":
            backend += f", {record['precision']}"
        # Its fields too: what a name stands for may have changed since.
        fields = json.dumps(learned_fields(recipe), sort_keys=True)
        key = (record["model"], recipe["name"], recipe["epochs"], backend, fields)
        groups.setdefault(key, []).append(record)
    rows = []
    for (model, recipe, epochs, backend, _), group in sorted(groups.items()):
        accuracies = [record["test"]["accuracy"] for record in group]
        rows.append(
            {
                "model": model,
                "recipe": recipe,
                "epochs": epochs,
                "backend": backend,
                "seeds": sorted(record["seed"] for record in group),
                "dataset": group[0]["dataset"]["name"],
                "device": "; ".join(sorted({str(one["device"]) for one in group})),
                "commits": commits_of(group),
                "mean": statistics.mean(accuracies),
                "spread": statistics.stdev(accuracies) if len(group) > 1 else None,
            }
        )
    return rows
