"""Labels that are likely wrong, and test images that are in the training set too.

Confident learning (Northcutt et al., 2021), by cleanlab: a label is an issue where
models that were not trained on the image confidently predict another class.
"""

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np

from fmkeras.analysis.near_duplicates import divided_pairs, find_duplicates, images_of
from fmkeras.datasets import Dataset
from fmkeras.engines import predict
from fmkeras.errors import UserError
from fmkeras.evaluation.calibration import log_softmax
from fmkeras.files import make_folder, replacing, write_json
from fmkeras.files.npz import read_npz
from fmkeras.labels import CLASS_NAMES
from fmkeras.provenance import provenance
from fmkeras.recipes import Recipe
from fmkeras.training.fit import fit
from fmkeras.training.progress import TimeEstimate

FOLDER = "runs/audit"
RESULT = "audit.json"
FOLDS = 3
# Below this share of labels that the models agree with, their errors hide the labels'.
AGREEMENT = 0.8
WEAK_MODELS = (
    "Under 80 %, the models err more often than labels are wrong: most of the images "
    "listed are the models' own errors. Train for more epochs, take a better network, "
    "or look whether whole classes are named wrongly."
)


def audit(
    dataset: Dataset,
    model_name: str,
    recipe: Recipe,
    *,
    folder: str | Path = FOLDER,
    folds: int = FOLDS,
    seed: int = 0,
) -> dict:
    """Audit the labels of a data set; write `folder/audit.json` and return it.

    One model per fold is trained on all images of the other folds and classifies the
    fold's images. The mean of these models classifies the test images. Finished folds
    are kept in `folder`; an unfinished one resumes from its last epoch. Raises
    `UserError` for more folds than any class has images.
    """
    most = int(np.bincount(dataset.y_train).max())
    if folds > most:
        raise UserError(
            f"Too many folds; expected at most {most}, the training images of the "
            f"largest class. Received: {folds}"
        )
    recipe = recipe.replace(data_split="full", keep="last")
    train, test = _out_of_sample(dataset, model_name, recipe, folder, folds, seed)
    result = {
        "dataset": {
            "name": dataset.name,
            "checksum": dataset.checksum,
            "classes": list(dataset.class_names),
        },
        "model": model_name,
        "recipe": recipe.to_dict(),
        "folds": folds,
        "seed": seed,
        "parts": {
            "train": _part(train, dataset.y_train),
            "test": _part(test, dataset.y_test),
        },
        "duplicates": _duplicates(dataset),
        **provenance(),
    }
    write_json(Path(folder) / RESULT, result)
    return result


def find_label_issues(probabilities: np.ndarray, labels: np.ndarray) -> list[dict]:
    """Return the images whose label is likely wrong, the most likely first.

    `probabilities` (n, classes) are by models that did not see the images, `labels`
    integers (n,).
    """
    from cleanlab.filter import find_label_issues

    with warnings.catch_warnings():
        # Of a class with too few images none is an issue: nothing to warn of.
        warnings.filterwarnings("ignore", "May not flag all", UserWarning)
        order = find_label_issues(
            labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
        )
    guesses = probabilities.argmax(axis=1)
    return [
        {
            "image": image,
            "label": int(labels[image]),
            "guess": int(guesses[image]),
            "label_probability": round(float(probabilities[image, labels[image]]), 6),
            "guess_probability": round(float(probabilities[image].max()), 6),
        }
        for image in order.tolist()
    ]


def audit_text(result: dict, shown: int = 10) -> str:
    """Return the result of an audit as text."""
    lines = []
    names = result["dataset"].get("classes", CLASS_NAMES)
    for name, part in result["parts"].items():
        found = part["suspects"]
        lines.append(
            f"{name}: {len(found):,} of {part['count']:,} label issues; "
            f"the models agree with {part['accuracy']:.2%} of all labels"
        )
        if part["accuracy"] < AGREEMENT:
            lines.append(f"  {WEAK_MODELS}")
        for one in found[:shown]:
            lines.append(
                f"  image {one['image']:>5}: labelled {names[one['label']]}, "
                f"looks like {names[one['guess']]} "
                f"({one['guess_probability']:.4f})"
            )
    exact, near = (images_of(part) for part in divided_pairs(result["duplicates"]))
    lines.append(
        f"Test images that are in the training set too: exact duplicates {exact}, "
        f"near duplicates {near}"
    )
    return "\n".join(lines)


def _part(probabilities: np.ndarray, labels: np.ndarray) -> dict:
    return {
        "count": len(labels),
        "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
        "suspects": find_label_issues(probabilities, labels),
    }


def _duplicates(dataset: Dataset) -> list[dict]:
    return [
        {
            "test": pair.first,
            "train": pair.second,
            "distance": round(pair.distance, 6),
            "exact": pair.exact,
            "test_label": int(dataset.y_test[pair.first]),
            "train_label": int(dataset.y_train[pair.second]),
        }
        for pair in find_duplicates(dataset.x_test, dataset.x_train)
    ]


def _out_of_sample(dataset, model_name, recipe, folder, folds, seed):
    """Return the probabilities of the training and of the test images."""
    from sklearn.model_selection import StratifiedKFold

    folder = make_folder(folder)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    train = np.zeros((len(dataset.y_train), dataset.num_classes))
    test = np.zeros((len(dataset.y_test), dataset.num_classes))
    for number, (others, fold) in enumerate(
        parts.split(dataset.x_train, dataset.y_train)
    ):
        settings = (dataset.checksum, model_name, recipe.to_dict(), folds, seed, number)
        key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
        name = f"fold{number + 1}-{key}"
        print(f"Fold {number + 1} of {folds}", flush=True)
        found = _kept(folder / f"{name}.npz")
        if found is None:
            left = folds - number
            found = _train_fold(
                dataset, others, fold, model_name, recipe, seed, folder, name, left
            )
        train[fold] = found[0]
        test += found[1] / folds
    return train, test


def _train_fold(dataset, others, fold, model_name, recipe, seed, folder, name, left):
    part = Dataset(
        name=dataset.name,
        x_train=dataset.x_train[others],
        y_train=dataset.y_train[others],
        x_test=dataset.x_train[fold],
        y_test=dataset.y_train[fold],
        source=f"{dataset.source}, {name}",
        checksum=dataset.checksum,
        class_names=dataset.class_names,
    )
    fitted = fit(
        model_name,
        recipe,
        part,
        folder=folder / name,
        seed=seed,
        callbacks=[TimeEstimate(recipe.batch_size, trainings=left, advise=False)],
    )
    found = [
        np.exp(log_softmax(predict(fitted.model, images).astype(np.float64)))
        for images in (part.x_test, dataset.x_test)
    ]
    with replacing(folder / f"{name}.npz") as temporary:
        np.savez(temporary, train=found[0], test=found[1])
    return found


def _kept(path: Path) -> list[np.ndarray] | None:
    try:
        arrays = read_npz(path)
        return [arrays["train"], arrays["test"]]
    except (OSError, ValueError, KeyError):
        # Missing or unreadable: it is computed again.
        return None
