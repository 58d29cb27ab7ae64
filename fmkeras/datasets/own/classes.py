"""The classes of data of your own: their names, and labels that count from 0."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fmkeras.errors import UserError
from fmkeras.files.reading import read_text, reason_of
from fmkeras.text.counts import counted

FILE = "classes.txt"
# A table, a confusion matrix and a picture of them are of use to this many.
MOST_CLASSES = 256
LARGEST_FILE = 1 << 20


def read_class_names(folder: Path) -> tuple[str, ...] | None:
    """Return the lines of `classes.txt` in `folder`; None where there is none.

    Raises `UserError` where it cannot be read, or names a class twice.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        lines = read_text(path, LARGEST_FILE).splitlines()
    except (OSError, ValueError) as error:
        raise UserError(
            f"The file '{path}' cannot be read ({reason_of(error)}); expected a "
            "class name a line, in UTF-8: save it anew."
        ) from error
    names = tuple(line.strip() for line in lines if line.strip())
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice or not 2 <= len(names) <= MOST_CLASSES:
        received = f"{twice[0]:.80} twice" if twice else counted(len(names), "name")
        raise UserError(
            f"The file '{path}' must name each of 2 to {MOST_CLASSES} classes once, a "
            f"name a line: mend it. Received: {received}"
        )
    return names


def number_labels(
    train: np.ndarray, test: np.ndarray, names: Sequence[str] | None, where: str
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return labels of any kind as int64 from 0, and the names of their classes.

    Without `names`, the classes are the values that the labels take, in their
    order. With them, whole numbers from 0, or from 1, stand for the names in turn,
    and text for itself. `where` names the files. Raises `UserError` for labels that
    have no name, and for fewer than two classes.
    """
    if names is None:
        values = np.unique(np.concatenate([train, test]))
        if not 2 <= len(values) <= MOST_CLASSES:
            classes = counted(len(values), "class", "classes")
            raise UserError(
                f"The labels in {where} are of {classes}; expected 2 to "
                f"{MOST_CLASSES}: check that they are class numbers. "
                f"Received: {', '.join(map(str, values[:5]))}"
            )
        names = values
    else:
        values = _values_of(train, test, tuple(names), where)
    order = np.argsort(values)
    numbers = [
        order[np.searchsorted(values, part, sorter=order)].astype(np.int64)
        for part in (train, test)
    ]
    return numbers[0], numbers[1], tuple(map(str, names))


def _values_of(train, test, names: tuple[str, ...], where: str) -> np.ndarray:
    """Return the label value that each of `names` stands for."""
    seen = np.unique(np.concatenate([train, test]))
    if seen.dtype.kind in "US":
        unknown = sorted(set(seen.tolist()) - set(names))
        if unknown:
            raise _unnamed(unknown[0], names, where)
        return np.array(names)
    # EMNIST's letters count from 1.
    first = 1 if seen.min() == 1 and seen.max() == len(names) else 0
    if seen.min() < 0 or seen.max() >= first + len(names):
        wrong = seen.min() if seen.min() < 0 else seen.max()
        raise _unnamed(wrong, names, where)
    return np.arange(first, first + len(names))


def _unnamed(label, names: tuple[str, ...], where: str) -> UserError:
    return UserError(
        f"A label in {where} has no name in '{FILE}'; expected one of its "
        f"{len(names)} classes: mend the one or the other. Received: {label}"
    )
