"""What going on from a file is worth: few images of classes the file never saw."""

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fmkeras.datasets import Dataset
from fmkeras.datasets.dataset import content_checksum
from fmkeras.datasets.splits import limit_training
from fmkeras.errors import UserError
from fmkeras.provenance import provenance
from fmkeras.recipes import Recipe
from fmkeras.text.durations import Countdown
from fmkeras.training.progress import TimeEstimate
from fmkeras.training.run import train

WAYS = ("from scratch", "fine-tuned")


def finetune(
    model_name: str,
    recipe: Recipe,
    dataset: Dataset,
    class_names: Sequence[str],
    *,
    images: int,
    pretrain_epochs: int,
    seeds: Sequence[int],
    folder: str | Path,
    log: Callable[[str], None] = print,
) -> dict:
    """Compare fine-tuning with training from scratch; return the record.

    The model is pretrained for `pretrain_epochs` on the classes of `dataset` other
    than `class_names`, so that it has seen none of these. Then for each seed `images`
    training images of `class_names` are drawn, and the same recipe trains on them
    twice: from new weights, and from the pretrained ones. Epochs are kept by
    validation images; the test images are those of `class_names`. Raises `UserError`
    for classes that the data has not, where fewer than two are left to pretrain, and
    for too few or too many `images`.
    """
    chosen = select_classes(dataset, class_names)
    few = {seed: limit_training(chosen, images, seed) for seed in seeds}
    others = [name for name in dataset.class_names if name not in class_names]

    def estimate(trainings: int = 1) -> TimeEstimate:
        return TimeEstimate(recipe.batch_size, log, trainings, advise=False)

    pretrained = train(
        model_name,
        recipe.replace(epochs=pretrain_epochs),
        select_classes(dataset, others),
        seed=seeds[0],
        out=Path(folder) / "pretrained",
        runs=Path(folder) / "runs",
        callbacks=[estimate()],
    )
    log(f"Pretrained on {', '.join(others)}: {pretrained.evaluation.accuracy:.4f}")
    rows = []
    countdown = Countdown(len(seeds) * len(WAYS), "trainings", log)
    for seed in seeds:
        for way in WAYS:
            run = train(
                model_name,
                recipe,
                few[seed],
                seed=seed,
                out=None,
                runs=Path(folder) / "runs",
                init_from=pretrained.artifact if way == "fine-tuned" else None,
                callbacks=[estimate(countdown.left)],
            )
            accuracy = run.evaluation.accuracy
            log(f"Seed {seed}, {way}: test accuracy {accuracy:.4f}")
            countdown.done()
            rows.append(
                {
                    "seed": seed,
                    "way": way,
                    "accuracy": accuracy,
                    "kept_epoch": run.record["kept_epoch"],
                    "validation": run.record["validation"]["accuracy"],
                }
            )
    return {
        "model": model_name,
        "recipe": recipe.to_dict(),
        "dataset": {"name": dataset.name, "checksum": dataset.checksum},
        "classes": list(class_names),
        "pretrained": {
            "classes": others,
            "epochs": pretrain_epochs,
            "accuracy": pretrained.evaluation.accuracy,
        },
        "images": images,
        "test_images": len(chosen.y_test),
        "backend": pretrained.record["backend"],
        "device": pretrained.record["device"],
        "rows": rows,
        **provenance(),
    }


def finetune_text(record: dict) -> str:
    """Return mean and sample standard deviation of both ways, and of the gain."""
    by_way = {way: accuracies(record, way) for way in WAYS}
    lines = []
    for way, values in by_way.items():
        lines.append(f"{way:<13} {_mean_and_spread(values)}")
    gains = [new - old for old, new in zip(*by_way.values(), strict=True)]
    lines.append(f"{'difference':<13} {_mean_and_spread(gains)}, pair by pair")
    return "\n".join(lines)


def accuracies(record: dict, way: str) -> list[float]:
    """Return the test accuracies of one way, by seed."""
    return [row["accuracy"] for row in record["rows"] if row["way"] == way]


def select_classes(dataset: Dataset, class_names: Sequence[str]) -> Dataset:
    """Return the images of some classes, numbered in the order of `class_names`.

    Raises `UserError` for a class the data has not, and for fewer than two.
    """
    unknown = [name for name in class_names if name not in dataset.class_names]
    if unknown or len(set(class_names)) < 2 or len(set(class_names)) < len(class_names):
        raise UserError(
            "Bad classes; expected two or more of "
            f"{', '.join(dataset.class_names)}. Received: {', '.join(class_names)}"
        )
    numbers = np.full(dataset.num_classes, -1)
    for number, name in enumerate(class_names):
        numbers[dataset.class_names.index(name)] = number

    def chosen(images, labels):
        labels = numbers[labels].astype(np.int64)
        return images[labels >= 0], labels[labels >= 0]

    x_train, y_train = chosen(dataset.x_train, dataset.y_train)
    x_test, y_test = chosen(dataset.x_test, dataset.y_test)
    return dataclasses.replace(
        dataset,
        name=f"{dataset.name}-{len(class_names)}-classes",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        checksum=content_checksum(x_train, y_train, x_test, y_test),
        class_names=tuple(class_names),
    )


def _mean_and_spread(values: list[float]) -> str:
    spread = f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.2f}{spread} %"
