"""How fast a network trains here, where `auto` has no measurement of this processor.

A second of training on noise for each way to compute, kept in the user's cache folder
so that the next run of the same kind on this machine is decided alike.
"""

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

import keras
import numpy as np

from fmkeras.datasets.splits import Subset
from fmkeras.engines import create_engine
from fmkeras.engines.device import num_threads
from fmkeras.export.runtimes import busy_cores
from fmkeras.files import cache_folder, write_json
from fmkeras.provenance import versions
from fmkeras.recipes import Recipe
from fmkeras.training.builders import build_loss, build_network, build_optimizer

SECONDS = 0.5
# Cores that other processes may keep busy meanwhile.
BUSY = 0.2
# Steps at most, or fast networks would need more noise than there is memory.
MOST_STEPS = 500


@dataclass(frozen=True)
class Way:
    """A way to compute a training step, as the benchmark names it in `label`."""

    backend: str
    precision: str
    compiled: bool = False

    @property
    def label(self) -> str:
        low = {"float32": "", "bfloat16": "-bfloat16"}[self.precision]
        return f"ours-{self.backend}{low}{'-compiled' if self.compiled else ''}"


def measured(
    model_name: str, recipe: Recipe, ways: Iterable[Way], processor: str
) -> dict:
    """Return `train` (images a second) and `first_step` (seconds) by label.

    What was measured before, by the same versions on the same processor with as many
    threads, is not measured again.
    """
    found: dict[str, dict[str, float]] = {"train": {}, "first_step": {}}
    for way in ways:
        facts = [processor, num_threads(), versions(), model_name, way.label]
        facts += [recipe.batch_size, recipe.optimizer, recipe.preprocessing]
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        folder = cache_folder("auto")
        path = folder / f"{key}.json" if folder else None
        try:
            one = json.loads(path.read_text(encoding="utf-8"))
            rate, first = float(one["train"]), float(one["first_step"])
        except (AttributeError, OSError, ValueError, LookupError, TypeError):
            rate, first = training_rate(model_name, recipe, way)
            # A rate beside other work holds for this run alone.
            if path and not busy_cores() > BUSY:
                write_json(path, {"train": rate, "first_step": first, "facts": facts})
        found["train"][way.label] = rate
        found["first_step"][way.label] = first
    return found


def training_rate(model_name: str, recipe: Recipe, way: Way) -> tuple[float, float]:
    """Return images a second of training on noise, and the seconds of the first step.

    The random numbers of a run that follows are its own: it seeds each epoch.
    """
    batch = recipe.batch_size
    began = time.perf_counter()
    model = build_network(model_name, recipe, way.precision, 0, {})
    engine = create_engine(
        model,
        build_optimizer(recipe, 1, model),
        build_loss(recipe),
        compile_step=way.compiled,
    )
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (batch, 28, 28), np.uint8)
    labels = generator.integers(0, engine.num_classes, batch)
    epochs = 0

    def train(steps: int) -> float:
        nonlocal epochs
        part = Subset(np.tile(noise, (steps, 1, 1)), np.tile(labels, steps))
        started = time.perf_counter()
        engine.fit(part, epochs=epochs + 1, initial_epoch=epochs, batch_size=batch)
        epochs += 1
        return time.perf_counter() - started

    train(1)
    first = time.perf_counter() - began
    steps = min(max(round(SECONDS / max(train(1), 1e-4)), 1), MOST_STEPS)
    rate = steps * batch / train(steps)
    keras.utils.clear_session()
    return rate, first
