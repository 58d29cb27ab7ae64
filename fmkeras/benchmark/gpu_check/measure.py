"""Exactness and resuming of models on this device, in the backend that runs.

`python -m fmkeras.benchmark.gpu_check.measure DEVICE NAME ...` prints one line of JSON
a model; `fmkeras.benchmark.gpu_check.run` runs it once for each backend.
"""

import json
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from fmkeras.datasets import load_dataset
from fmkeras.datasets.splits import Subset, epoch_order
from fmkeras.engines import create_engine
from fmkeras.engines.device import device_kind
from fmkeras.models import build_model, model_info
from fmkeras.recipes import Recipe
from fmkeras.training.builders import build_loss, build_optimizer
from fmkeras.training.fit import fit

TRAIN_SIZE = 1_280
BATCH_SIZE = 64
RECIPE = Recipe(
    name="gpu-check",
    epochs=2,
    batch_size=BATCH_SIZE,
    optimizer="sgd",
    learning_rate=0.01,
    flip=True,
    crop_padding=1,
    keep="last",
)


def measure_exactness(name: str, images: np.ndarray, labels: np.ndarray) -> float:
    """Return how far the losses of an epoch are from those of `keras.Model.fit`.

    The largest relative difference of the mean loss over two epochs of equal order,
    from equal weights, without dropout; `images` are uint8 (n, 28, 28).
    """
    options = {"dropout": 0.0} if "dropout" in model_info(name).options else {}
    steps = -(-len(labels) // BATCH_SIZE)
    ours, theirs = (build_model(name, seed=0, **options) for _ in range(2))
    theirs.set_weights(ours.get_weights())
    engine = create_engine(ours, build_optimizer(RECIPE, steps), build_loss(RECIPE))
    found = engine.fit(
        Subset(images, labels), None, epochs=2, batch_size=BATCH_SIZE, seed=0
    ).history["loss"]
    theirs.compile(
        build_optimizer(RECIPE, steps), build_loss(RECIPE), jit_compile=False
    )
    differences = []
    for epoch, loss in enumerate(found):
        order = epoch_order(len(labels), 0, epoch)
        answer = theirs.fit(
            images[order][..., None].astype(np.float32),
            np.eye(10, dtype=np.float32)[labels[order]],
            batch_size=BATCH_SIZE,
            shuffle=False,
            verbose=0,
        )
        expected = answer.history["loss"][0]
        differences.append(abs(loss - expected) / expected)
    return max(differences)


def measure_resuming(name: str, dataset) -> float:
    """Return the largest difference of a weight after two epochs, one resumed.

    One run trains two epochs; another is interrupted after the first and resumed.
    """

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as folder:
        whole = fit(name, RECIPE, dataset, folder=Path(folder) / "whole")
        stopped = Path(folder) / "stopped"
        try:
            fit(name, RECIPE, dataset, folder=stopped, callbacks=[Interrupt()])
        except KeyboardInterrupt:
            pass
        resumed = fit(name, RECIPE, dataset, folder=stopped)
    pairs = zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def main(device: str, names: list[str]) -> int:
    """Print the figures of each model; return 2 where another device is in use."""
    if device_kind() != device:
        print(f"{keras.backend.backend()} computes on the {device_kind()}.", flush=True)
        return 2
    dataset = load_dataset("garments", train_size=TRAIN_SIZE, test_size=100)
    # Training draws its bar on stderr and prints a line an epoch: not part of this.
    out, sys.stdout = sys.stdout, sys.stderr
    for name in names:
        figures = {
            "name": name,
            "exactness": measure_exactness(name, dataset.x_train, dataset.y_train),
            "resume": measure_resuming(name, dataset),
        }
        print(json.dumps(figures), file=out, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
