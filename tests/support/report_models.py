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
    """Write the record of a search of fourteen trials, and its picture."""
    import numpy as np
    from PIL import Image

    from fmkeras.files import write_json

    write_json(saved_models / "records/tune-first.json", search_record())
    picture = Image.fromarray(np.zeros((60, 90), np.uint8))
    picture.save(saved_models / "records/tune-first.png")


def search_record(count: int = 14) -> dict:
    """What a search keeps: values of each kind, a failure, a choice with a condition.

    Trial 3 failed; trial 5 is the best, 90.5 %; trial 2 still runs.
    """
    return {
        "model": "mlp",
        "backend": "jax",
        "search": "random",
        "space": {"name": "small", "hyperparameters": SPACE},
        "objective": "val_accuracy",
        "data": {"data": "garments"},
        "planned": count,
        "best": "05",
        "trials": [search_trial(number) for number in range(count)],
    }


SPACE = {
    "batch_size": [32, 64, 128],
    "learning_rate": {"min": 1e-4, "max": 1e-1, "sampling": "log"},
    "hidden_units": [[64, 32], [128]],
    "optimizer": ["adam", "sgd"],
    "momentum": {"values": [0.0, 0.9], "when": {"optimizer": ["sgd"]}},
}


def search_trial(number: int) -> dict:
    """One row of a search's trials."""
    state = {3: "failed", 2: "running"}.get(number, "finished")
    values = {
        "batch_size": (32, 64, 128)[number % 3],
        "learning_rate": round(10 ** -(1 + number * 3 / 14), 6),
        "hidden_units": ([64, 32], [128])[number % 2],
        "optimizer": ("adam", "sgd")[number // 2 % 2],
    }
    if values["optimizer"] == "sgd":
        values["momentum"] = (0.0, 0.9)[number // 4 % 2]
    best = 0.905 - 0.004 * abs(number - 5)
    epochs = {"finished": 6, "failed": 2, "running": 3}[state]
    accuracies = [round(best - 0.2 / (1 + epoch), 4) for epoch in range(epochs)]
    finished = state == "finished"
    if finished:
        accuracies[-1] = best
    return {
        "trial": f"{number:02}",
        "state": state,
        "reason": "loss is <not> a number" if state == "failed" else None,
        "values": values,
        "val_accuracy": best if finished else None,
        "val_loss": 0.3 if finished else None,
        "kept_epoch": epochs if finished else None,
        "best_epoch": epochs,
        "epochs": epochs,
        "val_accuracies": accuracies,
        "seconds": 12.5,
        "examples_per_second": 900.0 + number,
        "device": "CPU (two cores)" if finished else None,
        "commit": "0123456789" if finished else None,
    }
