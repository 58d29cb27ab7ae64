"""The result of an audit, as the report shows it."""

from pathlib import Path

from fmkeras.datasets import Dataset
from fmkeras.errors import UserError
from fmkeras.files.reading import read_json, reason_of
from fmkeras.files.schema import NUMBER

_SUSPECT = {
    "image": int,
    "label": int,
    "guess": int,
    "guess_probability": NUMBER,
    "label_probability": NUMBER,
}
_PART = {"count": int, "accuracy": NUMBER, "suspects": [_SUSPECT]}
AUDIT = {
    "dataset": {"checksum": str},
    "model": str,
    "recipe": {"epochs": int},
    "folds": int,
    "parts": {"train": _PART, "test": _PART},
    "duplicates": [
        {
            "distance": NUMBER,
            "exact?": bool,
            "test": int,
            "train": int,
            "test_label": int,
            "train_label": int,
        }
    ],
}


def read_audit(path: str | Path, dataset: Dataset) -> dict | None:
    """Return an audit's result; None where there is none of this data set."""
    try:
        audit = read_json(path, AUDIT)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(
            f"The audit '{path}' is damaged ({reason_of(error)}); expected JSON: run "
            "it again, or move the file away."
        ) from error
    if audit["dataset"]["checksum"] != dataset.checksum:
        return None
    try:
        _check_audit(audit, dataset)
    except ValueError as error:
        raise UserError(
            f"The audit '{path}' is damaged ({error}); expected what 'fmkeras audit' "
            "wrote: run it again, or move the file away."
        ) from error
    return audit


def _check_audit(audit: dict, dataset: Dataset) -> None:
    """Raise `ValueError` where an audit names images or classes that are not there."""
    counts = {"train": len(dataset.y_train), "test": len(dataset.y_test)}
    for part, count in counts.items():
        if audit["parts"][part]["count"] < 1:
            raise ValueError(f"its part {part} has no images")
        for one in audit["parts"][part]["suspects"]:
            classes = max(one["label"], one["guess"])
            if one["image"] >= count or classes >= dataset.num_classes:
                raise ValueError(f"there is no {part} image {one['image']}")
            if min(one["image"], one["label"], one["guess"]) < 0:
                raise ValueError(f"there is no {part} image {one['image']}")
    for pair in audit["duplicates"]:
        classes = max(pair["test_label"], pair["train_label"])
        if not all(0 <= pair[part] < count for part, count in counts.items()):
            raise ValueError(f"there are no images {pair['train']}, {pair['test']}")
        if classes >= dataset.num_classes or min(pair.values()) < 0:
            raise ValueError(f"there is no class {classes}")
