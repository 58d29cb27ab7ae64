"""What `auto` means: the precision and the compiler of a run, resolved once.

bfloat16 where it was measured to be faster and as accurate, and where the device
multiplies in it; compiled where the run saves more time than the compiler takes. The
measurements are shipped inside the package (see `auto_figures`), so that a checkout
and an installed package choose alike. They hold for the processor that they were made
on: on another kind the speed of a long training is measured here (`auto_measure`).
"""

import dataclasses
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from fmkeras.engines.device import (
    describe_device,
    device_kind,
    gpu_name,
    multiplies_bfloat16,
    processor_name,
)
from fmkeras.engines.parallel import Processes
from fmkeras.recipes.recipe import Recipe
from fmkeras.training.auto_figures import load_figures
from fmkeras.training.auto_measure import Way, measured
from fmkeras.training.run_dir import CONFIG, read_config

# Faster by less than a twentieth is within the spread of two measurements.
FASTER = 1.05
# The largest loss of mean validation accuracy, and over how many seeds it is measured.
LOSS = 0.002
SEEDS = 3
# The benchmark trains with these; another optimizer makes another step.
_OPTIMIZERS = ("adam", "adamw")
_LABELS = {"float32": "", "bfloat16": "-bfloat16"}


# A shorter training is decided by what is shipped: to measure would not pay.
WORTH_MEASURING = 60.0


@dataclass(frozen=True)
class Execution:
    """How a run computes, resolved from a recipe before the model is built.

    Attributes:
        precision: float32 or bfloat16 (weights stay in float32).
        compile: whether the training step is compiled.
        device: the device in one line, such as 'CPU (Intel Xeon, 2 cores)'.
        reason: what decided where the recipe says auto; empty where nothing did.
        warning: why it will be slow; empty where it will not.
    """

    precision: str
    compile: bool
    device: str
    reason: str = ""
    warning: str = ""


def resolve_execution(
    recipe: Recipe, model_name: str, train_size: int, measure: bool = False
) -> Execution:
    """Return how a recipe runs here; `train_size` is the training images an epoch.

    With `measure`, a long training is measured for a second on a processor other than
    that of the shipped benchmark.
    """
    backend, device = keras.backend.backend(), device_kind()
    figures, reason = load_figures(), ""
    recipe = recipe.replace(precision=strict_precision(recipe.precision))
    if "auto" in (recipe.precision, recipe.compile):
        here = gpu_name() if device == "gpu" else processor_name()
        reason = _origin(figures, device)
        if measure and _benchmarked_on(figures, device) != here:
            entry = _measure_here(
                recipe, model_name, train_size, backend, device, here, figures
            )
            if entry:
                figures = _with_entry(figures, device, model_name, entry)
                reason = f"measured here for a second, on {here}; {reason}"
    precision = resolve_precision(
        recipe, model_name, backend, device, multiplies_bfloat16, figures
    )
    compile_step = resolve_compilation(
        recipe, model_name, precision, train_size, backend, device, figures
    )
    warning = ""
    if precision == "bfloat16" and not multiplies_bfloat16():
        warning = (
            f"{backend} has no hardware for bfloat16 here and is several times slower "
            "in it than in float32; expected PRECISION=float32 or bfloat16-if-native."
        )
    return Execution(precision, compile_step, describe_device(), reason, warning)


def find_execution(
    folder: str | Path | None,
    recipe: Recipe,
    model_name: str,
    train_size: int,
    measure: bool = False,
) -> Execution:
    """Return how the run in `folder` computes, or one that begins now.

    What auto meant when a run began holds to its end. The other arguments are those of
    `resolve_execution`.
    """
    begun = None if folder is None else _begun_execution(Path(folder), recipe)
    return begun or resolve_execution(recipe, model_name, train_size, measure)


def execution_of_first(execution: Execution, processes: Processes) -> Execution:
    """Return what the first of several processes has resolved: it may have measured."""
    if processes.count == 1:
        return execution
    chosen = np.array([execution.precision == "bfloat16", execution.compile])
    low, compiled = processes.total(chosen * processes.leads).tolist()
    precision = "bfloat16" if low else "float32"
    return dataclasses.replace(execution, precision=precision, compile=bool(compiled))


def _begun_execution(folder: Path, recipe: Recipe) -> Execution | None:
    """Return how the run in a folder computes; None where there is none."""
    if not (folder / CONFIG).exists():
        return None
    config = read_config(folder)
    precision, compiled = config.get("precision"), config.get("compiled")
    other = recipe.precision in _LABELS and recipe.precision != precision
    if other or compiled is None:
        return None
    reason = "as when the run began"
    return Execution(precision, bool(compiled), describe_device(), reason)


def _benchmarked_on(figures: dict, device: str) -> str | None:
    machine = figures["speed"].get(device, {}).get("machine") or {}
    return machine.get("gpu" if device == "gpu" else "processor")


def _origin(figures: dict, device: str) -> str:
    if not figures["speed"].get(device):
        return f"no benchmark of a {device} is shipped"
    made_on = _benchmarked_on(figures, device) or "a processor it does not name"
    return f"the shipped record benchmark-{device} was made on {made_on}"


def _measure_here(
    recipe, model_name, train_size, backend, device, here, figures
) -> dict | None:
    """Return the measured rates of the ways in question; None where there are none."""
    shipped = _measured(figures, model_name, device)
    eager = Way(backend, "float32")
    rate = shipped.get("train", {}).get(eager.label)
    if not rate or recipe.epochs * train_size / rate < WORTH_MEASURING:
        return None
    ways = [eager] if recipe.precision != "bfloat16" else []
    low = recipe.precision == "bfloat16" or (
        recipe.precision == "auto"
        and _as_accurate(figures, model_name)
        and multiplies_bfloat16()
    )
    if low:
        ways.append(Way(backend, "bfloat16"))
    decided = len(ways) < 2
    # A compiler costs time: its steps are measured where the shipped ratio pays here.
    compiled = [
        Way(backend, way.precision, compiled=True)
        for way in ways
        if resolve_compilation(
            recipe, model_name, way.precision, train_size, backend, device, figures
        )
    ]
    if recipe.compile != "auto":
        compiled = []
    if decided and not compiled:
        return None
    return measured(model_name, recipe, [*ways, *compiled], here)


def _with_entry(figures: dict, device: str, model_name: str, entry: dict) -> dict:
    """Return figures in which a network has other rates on a device."""
    speed = dict(figures["speed"])
    one = dict(speed.get(device, {}))
    one["models"] = {**one.get("models", {}), model_name: entry}
    return {**figures, "speed": {**speed, device: one}}


def strict_precision(precision: str) -> str:
    """Return auto, float32 or bfloat16 for a recipe's `precision`.

    Without hardware for it, bfloat16 trains many times slower than float32.
    """
    if precision != "bfloat16-if-native":
        return precision
    return "bfloat16" if multiplies_bfloat16() else "float32"


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
