"""Which precision `auto` is: bfloat16 where records show it faster and as accurate.

And where the device has units for it: on another the records say nothing.
Speed is from the record of `make benchmark` on the same kind of device, accuracy from
runs of the network's default recipe in both precisions. Without records it is float32.
"""

import json
import statistics
from collections.abc import Callable
from pathlib import Path

from fmkeras.recipes.recipe import Recipe
from fmkeras.records import RECORDS as STUDIES
from fmkeras.records import read_records

RECORDS = Path(__file__).parents[2] / STUDIES
# Faster by less than a twentieth is within what two measurements differ by.
FASTER = 1.05
# How far the mean test accuracy may fall, over how many seeds.
LOSS = 0.002
SEEDS = 3
ACCURACY_STUDIES = ("default", "default-bfloat16")
# Another optimizer makes another step of which the record knows nothing.
_OPTIMIZERS = ("adam", "adamw")


def resolve_precision(
    recipe: Recipe,
    model_name: str,
    backend: str,
    device: str,
    native: Callable[[], bool],
    records: Path = RECORDS,
) -> str:
    """Return float32 or bfloat16 for a recipe.

    `device` is cpu or gpu; `native`, asked where the answer hangs on it alone, says
    whether that multiplies in bfloat16 itself.
    """
    if recipe.precision != "auto":
        return recipe.precision
    faster = _speed_ratio(model_name, backend, device, records) >= FASTER
    pays = faster and _as_accurate(model_name, records) and native()
    return "bfloat16" if pays else "float32"


def measured(model_name: str, device: str, records: Path = RECORDS) -> dict:
    """Return what the record of `make benchmark` has of a network; else nothing."""
    path = records / f"benchmark-{device}.json"
    if not path.exists():
        return {}
    return json.loads(path.read_text())["models"].get(model_name, {})


def resolve_compilation(
    recipe: Recipe,
    model_name: str,
    precision: str,
    images: int,
    backend: str,
    device: str,
    records: Path = RECORDS,
) -> bool:
    """Return whether to compile for a recipe that trains on `images` an epoch.

    `precision` is float32 or bfloat16, `device` cpu or gpu.
    """
    if recipe.compile != "auto":
        return recipe.compile == "yes"
    if recipe.optimizer not in _OPTIMIZERS:
        return False
    entry = measured(model_name, device, records)
    plain = f"ours-{backend}" + {"float32": "", "bfloat16": "-bfloat16"}[precision]
    compiled = f"{plain}-compiled"
    rates, starts = entry.get("train", {}), entry.get("first_step", {})
    if plain not in rates or compiled not in rates:
        return False
    saved = 1 / rates[plain]["median"] - 1 / rates[compiled]["median"]
    return recipe.epochs * images * saved > starts[compiled] - starts[plain]


def _speed_ratio(model_name, backend, device, records: Path) -> float:
    """Return how many times as fast bfloat16 trains; 0 where it was not measured."""
    rates = measured(model_name, device, records).get("train", {})
    pair = [rates.get(f"ours-{backend}{kind}") for kind in ("-bfloat16", "")]
    return pair[0]["median"] / pair[1]["median"] if all(pair) else 0.0


def _as_accurate(model_name, records: Path) -> bool:
    found: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for study in ACCURACY_STUDIES:
        for record in read_records(study, records):
            if record["model"] == model_name:
                found[record["precision"]].append(record["test"]["accuracy"])
    if min(map(len, found.values())) < SEEDS:
        return False
    means = {kind: statistics.mean(values) for kind, values in found.items()}
    return means["bfloat16"] >= means["float32"] - LOSS
