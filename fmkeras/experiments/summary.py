"""Means and spreads of records over their seeds."""

import json
import statistics
from collections.abc import Iterable, Mapping

from fmkeras.recipes import learned_fields, start_of
from fmkeras.records import commits_of


def summarise(records: Iterable[dict]) -> list[dict]:
    """Return a row for each kind of run (see `kinds_of_runs`), over its seeds.

    `backend` names the precision too, where it is not float32; `mean` and `spread`
    (sample standard deviation; None for one seed) are of the test accuracy, 0 to 1.
    """
    rows = []
    for (model, recipe, epochs, backend, *_), group in kinds_of_runs(records).items():
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


def largest_kind(records: Iterable[dict]) -> list[dict]:
    """Return the runs of the kind (see `kinds_of_runs`) that has most; [] for none."""
    return max(kinds_of_runs(records).values(), key=len, default=[])


def kind_of(card: dict) -> tuple | None:
    """Return the kind of a card (see `kinds_of_runs`); None where it tells too little.

    Cards of models made elsewhere need not have a recipe or a seed.
    """
    try:
        return next(iter(kinds_of_runs([card])), None)
    except KeyError:
        return None


def over_seeds(
    cards: Mapping[str, dict], accuracies: Mapping[str, float]
) -> list[dict]:
    """Return mean and spread of the models that differ by their seeds alone.

    `cards` and `accuracies`, 0 to 1, are by the name of the model. A row has the
    `network`, its `recipe`, `epochs` and `backend`, how many `models` of different
    seeds there are, `mean`, and `spread`, the sample standard deviation.
    """
    groups: dict[tuple, dict[int, float]] = {}
    for name, card in cards.items():
        kind = kind_of(card)
        if kind is not None and "seed" in card:
            # A second file of one seed is no second draw.
            groups.setdefault(kind, {}).setdefault(card["seed"], accuracies[name])
    return [
        {
            "network": network,
            "recipe": recipe,
            "epochs": epochs,
            "backend": backend,
            "models": len(seeds),
            "mean": statistics.mean(seeds.values()),
            "spread": statistics.stdev(seeds.values()),
        }
        for (network, recipe, epochs, backend, *_), seeds in groups.items()
        if len(seeds) > 1
    ]


def kinds_of_runs(records: Iterable[dict]) -> dict[tuple, list[dict]]:
    """Return the runs with test figures by what makes one mean of them.

    That is network, recipe, epochs, backend with its precision, and then the fields of
    the recipe, the data, the network's options and what training began with; sorted.
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
        more = (
            str(record["dataset"].get("checksum", "")),
            json.dumps(record.get("options") or {}, sort_keys=True),
            json.dumps(start_of(record), sort_keys=True),
        )
        key = (record["model"], recipe["name"], recipe["epochs"], backend, fields)
        groups.setdefault((*key, *more), []).append(record)
    return dict(sorted(groups.items()))
