"""Two small models of drawn garments and their runs, for the tests of the report."""

from pathlib import Path

from fmkeras.datasets import load_dataset
from fmkeras.recipes import find_recipe

SIZES = ["--train-size", "400", "--test-size", "200"]
SMALL = ["--data", "garments", *SIZES]


def small_dataset():
    return load_dataset("garments", train_size=400, test_size=200)


def train_two(folder: Path, dataset):
    """Train `linear` and `lenet_relu` for two epochs; return their runs."""
    from fmkeras.training.run import train

    return [
        train(
            name,
            find_recipe("default", name).replace(epochs=2),
            dataset,
            out=folder / "saved_models",
            runs=folder / "runs",
        )
        for name in ("linear", "lenet_relu")
    ]


def write_audit(path: Path, dataset) -> None:
    """Write what an audit would find, without one."""
    from fmkeras.files import write_json

    suspect = {"label": 0, "guess": 6, "label_probability": 0.1}
    part = {
        "count": 200,
        "accuracy": 0.9,
        "suspects": [
            suspect | {"image": image, "guess_probability": 0.8} for image in range(12)
        ],
    }
    pair = {"test": 1, "train": 2, "test_label": 3, "train_label": 4}
    content = {
        "dataset": {"name": dataset.name, "checksum": dataset.checksum},
        "model": "cnn",
        "recipe": {"epochs": 4},
        "folds": 3,
        "parts": {"train": part, "test": part},
        "duplicates": [pair | {"distance": 0.0}, pair | {"distance": 0.05}],
    }
    write_json(path, content)


def write_search(saved_models: Path) -> None:
    """Write the record of a search of four trials, and its picture."""
    import numpy as np
    from PIL import Image

    from fmkeras.files import write_json

    trials = [
        {
            "trial": str(number),
            "state": "finished" if accuracy else "failed",
            "values": {"batch_size": 32 * number, "hidden_units": [64, 32]},
            "val_accuracy": accuracy,
            "epochs": 2,
            "examples_per_second": 900.0 + number if accuracy else None,
        }
        for number, accuracy in enumerate((0.81, 0.85, None, 0.83), 1)
    ]
    space = {"name": "small", "hyperparameters": {"batch_size": [], "hidden_units": []}}
    content = {"model": "mlp", "backend": "jax", "search": "grid", "space": space}
    content |= {"planned": 4, "trials": trials}
    write_json(saved_models / "records/tune-first.json", content)
    picture = Image.fromarray(np.zeros((60, 90), np.uint8))
    picture.save(saved_models / "records/tune-first.png")
