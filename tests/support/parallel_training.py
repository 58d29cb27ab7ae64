"""Small trainings that are run by one process, and by two side by side.

As a script: `parallel_training.py FOLDER 2 CASE ...` trains the cases in two processes
and writes the figures of the first to FOLDER/CASE.json.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from fmkeras.datasets.splits import Subset
from fmkeras.engines import create_engine, parallel
from fmkeras.engines.distillation import Teacher
from fmkeras.models.initializers import initialize
from fmkeras.process.launched import process_environments
from fmkeras.recipes import Recipe
from fmkeras.training.builders import (
    build_augmentation,
    build_gradient_rules,
    build_loss,
    build_optimizer,
)

ROOT = Path(__file__).parents[2]
# No batch can be halved, and the last has one image: one of two processes has none.
COUNT, BATCH = 125, 31
STEPS = 5  # an epoch
CASES = {
    "adam": Recipe(flip=True, crop_padding=2, erasing=0.5, ema=0.9, epochs=10),
    "norm": Recipe(optimizer="sgd", learning_rate=0.05, momentum=0.0, epochs=2),
}
if keras.backend.backend() == "torch":
    # Where Adam is fused, an update by a graph of its own is another case.
    CASES["sgd"] = Recipe(
        optimizer="sgd", clip_norm=0.5, l2=1e-3, mixup=0.5, momentum=0.9, epochs=10
    )
_PLAIN = Recipe(optimizer="sgd", learning_rate=0.05, momentum=0.0, epochs=2)
# What takes too long for each day; the settings that are no recipe's are below.
FURTHER_CASES = {
    "compiled": replace(CASES["adam"], epochs=2),
    "bfloat16": _PLAIN,
    "mixed": replace(_PLAIN, mixup=0.4, cutmix=1.0, label_smoothing=0.1),
    "teacher": replace(_PLAIN, mixup=0.4),
}


def make_model(normalized: bool, seed: int = 0) -> keras.Model:
    layers = keras.layers
    pixels = keras.Input((28, 28, 1))
    x = layers.Rescaling(1 / 255)(pixels)
    x = layers.Conv2D(4, 3, strides=2, activation="relu")(x)
    if normalized:
        x = layers.BatchNormalization(momentum=0.9)(x)
    else:
        x = layers.Dropout(0.2, noise_shape=(None, 1, 1, None))(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    if not normalized:
        x = layers.Dropout(0.3)(x)
        if keras.backend.backend() != "torch":
            # The engine on torch has no other layers that draw than Dropout.
            x = layers.GaussianNoise(0.1)(x)
    model = keras.Model(pixels, layers.Dense(10)(x))
    initialize(model, "keras", seed=seed)
    return model


def make_images() -> Subset:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (COUNT, 28, 28)).astype(np.uint8)
    return Subset(images, generator.integers(0, 10, COUNT))


def train_case(name: str, processes=parallel.SINGLE) -> dict:
    """Train a case; return the loss of each step, and what it ended with."""
    recipe, losses = {**CASES, **FURTHER_CASES}[name], []
    precision = "mixed_bfloat16" if name == "bfloat16" else "float32"
    keras.config.set_dtype_policy(precision)
    model = make_model(name == "norm")
    keras.config.set_dtype_policy("float32")
    teacher = None
    if name == "teacher":
        teacher = Teacher(make_model(True, seed=1), temperature=2.0, share=0.6)
    engine = create_engine(
        model,
        build_optimizer(recipe, STEPS),
        build_loss(recipe),
        l2=recipe.l2,
        augmentation=build_augmentation(recipe),
        gradient_rules=build_gradient_rules(recipe),
        compile_step=name == "compiled",
        processes=processes,
        teacher=teacher,
        class_weights=np.linspace(0.5, 1.5, 10) if name == "mixed" else None,
    )
    train_steps = engine._train_steps

    def noted(data, batches, params):
        sums, confusion = train_steps(data, batches, params)
        losses.extend((sums / batches.shape[1]).tolist())
        return sums, confusion

    engine._train_steps = noted
    part = make_images()
    history = engine.fit(
        part, part, epochs=recipe.epochs, batch_size=BATCH, seed=7
    ).history
    return {
        "losses": losses,
        "history": {n: history[n] for n in ("loss", "val_loss", "val_accuracy")},
        "confusion": engine.totals["train"].confusion.tolist(),
        "validation": engine.totals["validation"].confusion.tolist(),
        "random_state": engine.random_state().tolist(),
        "weights": [weight.tolist() for weight in engine.model.get_weights()],
    }


def train_in_processes(folder: Path, count: int = 2, names=CASES) -> dict[str, dict]:
    """Train cases in several processes; return the figures of each case."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, __file__, str(folder), str(count), *names],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in names}


def main() -> int:
    folder, count, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    children = []
    backend = keras.backend.backend()
    for variables in process_environments(backend, count, on_gpus=False):
        # A fork spares the imports; no backend has begun to compute.
        child = os.fork()
        if child == 0:
            os.environ.update(variables)
            train_cases(folder, names)
            os._exit(0)
        children.append(child)
    return max(os.waitpid(child, 0)[1] for child in children)


def train_cases(folder: Path, names) -> None:
    processes = parallel.join()
    for name in names:
        figures = train_case(name, processes)
        if processes.leads:
            (folder / f"{name}.json").write_text(json.dumps(figures))
    processes.leave()


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
