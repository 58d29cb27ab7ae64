"""Whether a compiler works on the training step first: where records show that it pays.

The record of `make benchmark` on the same kind of device tells how long the compiler
takes for a network and how much faster the step then is. Without a record it is not.
"""

from pathlib import Path

from fmkeras.precision import RECORDS, measured
from fmkeras.recipe import Recipe

# Another optimizer makes another step of which the record knows nothing.
_OPTIMIZERS = ("adam", "adamw")


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
