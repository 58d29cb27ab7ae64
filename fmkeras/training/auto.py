"""What `auto` means: the precision and the compiler of a run, resolved once.

bfloat16 where it was measured to be faster and as accurate, and where the device
multiplies in it; compiled where the run saves more time than the compiler takes. The
measurements are shipped inside the package (see `auto_figures`), so that a checkout
and an installed package choose alike.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import keras

from fmkeras.engines.device import describe_device, device_kind, multiplies_bfloat16
from fmkeras.recipes.recipe import Recipe
from fmkeras.training.auto_figures import load_figures

# Faster by less than a twentieth is within the spread of two measurements.
FASTER = 1.05
# The largest loss of mean test accuracy, and over how many seeds it is measured.
LOSS = 0.002
SEEDS = 3
# The benchmark trains with these; another optimizer makes another step.
_OPTIMIZERS = ("adam", "adamw")
_LABELS = {"float32": "", "bfloat16": "-bfloat16"}


@dataclass(frozen=True)
class Execution:
    """How a run computes, resolved from a recipe before the model is built.

    Attributes:
        precision: float32 or bfloat16 (weights stay in float32).
        compile: whether the training step is compiled.
        device: the device in one line, such as 'CPU (Intel Xeon, 2 cores)'.
    """

    precision: str
    compile: bool
    device: str


def resolve_execution(recipe: Recipe, model_name: str, train_size: int) -> Execution:
    """Return how a recipe runs here; `train_size` is the training images an epoch."""
    backend, device = keras.backend.backend(), device_kind()
    precision = resolve_precision(
        recipe, model_name, backend, device, multiplies_bfloat16
    )
    compile_step = resolve_compilation(
        recipe, model_name, precision, train_size, backend, device
    )
    return Execution(precision, compile_step, describe_device())


def resolve_precision(
    recipe: Recipe,
    model_name: str,
    backend: str,
    device: str,
    native: Callable[[], bool],
    figures: dict | None = None,
) -> str:
    """Return float32 or bfloat16 for a recipe.

    Args:
        recipe: its `precision` decides, unless that is auto.
        model_name, backend: what is trained, and on which backend.
        device: cpu or gpu.
        native: returns whether the device multiplies in bfloat16; called only where
            the answer depends on it.
        figures: as `load_figures()`, which is the default.
    """
    if recipe.precision != "auto":
        return recipe.precision
    figures = load_figures() if figures is None else figures
    faster = _speed_ratio(figures, model_name, backend, device) >= FASTER
    pays = faster and _as_accurate(figures, model_name) and native()
    return "bfloat16" if pays else "float32"


def resolve_compilation(
    recipe: Recipe,
    model_name: str,
    precision: str,
    train_size: int,
    backend: str,
    device: str,
    figures: dict | None = None,
) -> bool:
    """Return whether a run of `train_size` images an epoch is compiled.

    `precision` is float32 or bfloat16, `device` cpu or gpu.
    """
    if recipe.compile != "auto":
        return recipe.compile == "yes"
    if recipe.optimizer not in _OPTIMIZERS:
        return False
    figures = load_figures() if figures is None else figures
    entry = _measured(figures, model_name, device)
    eager = f"ours-{backend}{_LABELS[precision]}"
    compiled = f"{eager}-compiled"
    rates, starts = entry.get("train", {}), entry.get("first_step", {})
    if eager not in rates or compiled not in rates:
        return False
    saved = 1 / rates[eager] - 1 / rates[compiled]
    return recipe.epochs * train_size * saved > starts[compiled] - starts[eager]


def _measured(figures: dict, model_name: str, device: str) -> dict:
    models = figures["speed"].get(device, {}).get("models", {})
    return models.get(model_name, {})


def _speed_ratio(figures: dict, model_name: str, backend: str, device: str) -> float:
    """Return how many times as fast bfloat16 trains; 0 where it was not measured."""
    rates = _measured(figures, model_name, device).get("train", {})
    pair = [rates.get(f"ours-{backend}{label}") for label in ("-bfloat16", "")]
    return pair[0] / pair[1] if all(pair) else 0.0


def _as_accurate(figures: dict, model_name: str) -> bool:
    found = figures["accuracy"].get(model_name, {})
    plain, low = (found.get(precision, []) for precision in ("float32", "bfloat16"))
    if min(len(plain), len(low)) < SEEDS:
        return False
    return statistics.mean(low) >= statistics.mean(plain) - LOSS
