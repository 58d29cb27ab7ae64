"""A folder with a folder of pictures a class, divided into train/ and test/ or not."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fmkeras.datasets.image_files import read_grey, read_picture
from fmkeras.datasets.own.arrays import split_off_test, stretch
from fmkeras.datasets.own.classes import MOST_CLASSES, read_class_names
from fmkeras.datasets.picture_decoder import PICTURE_SUFFIXES, SUFFIXES
from fmkeras.errors import UserError, did_you_mean
from fmkeras.text.counts import counted

# Those that are not read are named, or left out and listed, rather than passed over.
TRAIN, TEST = ("train", "training"), ("test", "testing", "tests")
# Images set aside to choose an epoch by are training images here: the split is ours.
VALIDATION = ("val", "valid", "validation")
# A folder's own folders, the classes in a part, and one in a class are looked into.
DEPTH = 3


def _stretched(path: Path, white: int | None) -> tuple[np.ndarray, int | None]:
    grey, white = read_grey(path, white)
    return stretch(grey), white


def _as_predicted(path: Path, white: int | None) -> tuple[np.ndarray, int | None]:
    picture = read_picture(path, white)
    return picture.pixels, picture.white


# Each returns the 28 x 28 pixels, and what was white in more than 8 bits.
RESIZING: dict[str, Callable[[Path, int | None], tuple]] = {
    "stretch": _stretched,
    "predict": _as_predicted,
}


@dataclass(frozen=True)
class Pictures:
    """What was read.

    Attributes:
        images: uint8 (n, 28, 28).
        labels: int64 (n,).
        bad: files that were left out.
        whites: what was taken for white in those of more than 8 bits.
    """

    images: np.ndarray
    labels: np.ndarray
    bad: list[Path]
    whites: frozenset[int] = frozenset()


def is_image_folder(folder: Path) -> bool:
    """Return whether `folder` holds folders of pictures."""
    return any(_pictures(inside) for inside in _folders(folder)) or any(
        _pictures(inside) for part in _parts(folder) for inside in _folders(part)
    )


def load_image_folder(
    folder: Path, seed: int, resize: str, skip_bad: bool, progress: bool
):
    """Return x_train, y_train, x_test, y_test, class names and the files left out.

    With folders train/ and test/ these are the two parts; otherwise a fifth of each
    class is set aside, the same by `seed`. Class names are those of the folders, in
    alphabetical order or that of `classes.txt`. Raises `UserError` for a picture
    that cannot be read unless `skip_bad`, and for classes without pictures. What lies
    where no class is looked for is listed on stderr.
    """
    if resize not in RESIZING:
        raise UserError(
            f"Unknown way to resize; expected one of {', '.join(RESIZING)}."
            f"{did_you_mean(resize, RESIZING)} Received: {resize!r}"
        )
    train_parts = _named(folder, TRAIN) + _named(folder, VALIDATION)
    test_parts = _named(folder, TEST)
    if not _named(folder, TRAIN):
        if test_parts and any(map(_class_folders, [[part] for part in test_parts])):
            raise UserError(
                f"'{test_parts[0]}' has no training pictures beside it; expected a "
                "folder train/ with a folder of pictures a class: add it, or rename "
                "this one to divide its pictures here."
            )
        train_parts, test_parts = [folder], []
    names = _class_names(folder, train_parts, test_parts)
    parts = train_parts + test_parts
    _list_left_out(folder, parts, [part / name for part in parts for name in names])

    sides = [(train_parts, "Pictures")]
    if test_parts:
        sides = [(train_parts, "Training pictures"), (test_parts, "Test pictures")]

    def read(white: int | None = None) -> list[Pictures]:
        how = (names, partial(RESIZING[resize], white=white), skip_bad, progress)
        return [_read_parts(part, *how, title) for part, title in sides]

    found = read()
    whites = frozenset().union(*(part.whites for part in found))
    if len(whites) > 1:
        # One scale for all: which it is no single picture tells.
        found = read(max(whites))
    train = found[0]
    if test_parts:
        test = found[1]
        bad = train.bad + test.bad
    else:
        chosen = split_off_test(train.labels, seed, f"'{folder}'")
        test = Pictures(train.images[chosen], train.labels[chosen], [])
        bad = train.bad
        train = Pictures(train.images[~chosen], train.labels[~chosen], [])
    _check_counts(train, names, folder)
    return train.images, train.labels, test.images, test.labels, names, bad


def _read_parts(parts, names, read, skip_bad, progress, title) -> Pictures:
    files = [
        (path, label)
        for part in parts
        for label, name in enumerate(names)
        for path in _pictures(part / name)
    ]
    if not files:
        raise UserError(
            f"There is no picture in '{parts[0]}'; expected a folder of them a class "
            f"({', '.join(SUFFIXES)}): put some there."
        )
    images, labels, bad, whites = [], [], [], set()
    shown = progress and sys.stderr.isatty()
    for path, label in tqdm(files, title, unit=" pictures", disable=not shown):
        try:
            image, white = read(path)
            images.append(image)
            labels.append(label)
            whites.add(white)
        except UserError as error:
            if not skip_bad:
                raise UserError(
                    f"{error} With --skip-bad it is left out (make: ARGS=--skip-bad)."
                ) from error
            bad.append(path)
    if not images:
        raise UserError(
            f"None of the pictures in '{parts[0]}' can be read; expected one or more: "
            f"save them anew. Received: {len(bad)} bad ones, such as '{bad[0]}'"
        )
    whites = frozenset(whites - {None})
    return Pictures(np.stack(images), np.array(labels, np.int64), bad, whites)


def _class_names(folder, train_parts, test_parts) -> tuple[str, ...]:
    listed = read_class_names(folder)
    found = _class_folders(train_parts)
    if listed is not None and set(listed) != set(found):
        odd = sorted(set(listed) ^ set(found))[0]
        raise UserError(
            f"'{folder / 'classes.txt'}' and the folders beside it name other classes; "
            f"expected the same: mend either. Received: '{odd}' in one of them alone"
        )
    names = listed or tuple(sorted(found, key=_natural))
    if not 2 <= len(names) <= MOST_CLASSES:
        raise UserError(
            f"'{folder}' holds {counted(len(names), 'folder')} of pictures; expected "
            f"one a class, 2 to {MOST_CLASSES} of them: give the folder that holds "
            "these."
        )
    for part in test_parts:
        unknown = sorted(set(_class_folders([part])) - set(names))
        if unknown:
            raise UserError(
                f"'{part / unknown[0]}' is of a class without training pictures; "
                f"expected one of: {', '.join(names)}: rename or remove it."
            )
    return names


def _list_left_out(folder: Path, parts: list[Path], classes: list[Path]) -> None:
    """Print the folders of `parts` without a picture, and pictures of no class."""
    places = dict(_unread(folder, classes))
    for path in (path for part in parts for path in _folders(part)):
        if not _pictures(path) and path not in places:
            print(f"left out: '{path}' holds no picture", file=sys.stderr)
    where = " and ".join(f"'{part}'" for part in parts)
    for path, count in places.items():
        what = f"{counted(count, 'picture')} in '{path}'"
        print(f"left out: {what}; the classes are folders in {where}", file=sys.stderr)


def _unread(folder: Path, classes: list[Path], depth: int = DEPTH) -> Iterator[tuple]:
    """Yield folders of pictures beside or in the classes, and how many each holds."""
    if folder not in classes:
        if not any(folder in path.parents for path in classes):
            if count := _count(folder, depth):
                yield folder, count
            return
        if loose := len(_pictures(folder)):
            yield folder, loose
    if depth:
        for inside in _folders(folder):
            yield from _unread(inside, classes, depth - 1)


def _count(folder: Path, depth: int) -> int:
    inside = _folders(folder) if depth else []
    return len(_pictures(folder)) + sum(_count(one, depth - 1) for one in inside)


def _check_counts(train: Pictures, names: tuple[str, ...], folder: Path) -> None:
    counts = np.bincount(train.labels, minlength=len(names))
    if counts.min() == 0:
        raise UserError(
            f"A class in '{folder}' has no picture to train on; expected one or more "
            f"that can be read: add some. Received: {names[int(counts.argmin())]}"
        )


def _class_folders(parts: list[Path]) -> list[str]:
    return sorted({i.name for part in parts for i in _folders(part) if _pictures(i)})


def _parts(folder: Path) -> list[Path]:
    return _named(folder, TRAIN + TEST + VALIDATION)


def _named(folder: Path, names: tuple[str, ...]) -> list[Path]:
    return [inside for inside in _folders(folder) if inside.name.lower() in names]


def _folders(folder: Path) -> list[Path]:
    return [path for path in _inside(folder) if path.is_dir()]


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [p for p in _inside(folder) if p.suffix.lower() in PICTURE_SUFFIXES]


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise UserError(
            f"The folder '{folder}' cannot be read ({error.strerror}); expected one "
            "with a folder of pictures a class: give another."
        ) from error


def _natural(name: str) -> tuple:
    """Sort 2 before 10."""
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)
