"""From a path to a data set of your own, whatever form it has."""

import os
import sys
import unicodedata
from pathlib import Path

from fmkeras.datasets.csv_file import find_csv, read_csv
from fmkeras.datasets.dataset import Dataset, content_checksum
from fmkeras.datasets.own.arrays import split_off_test, to_images, white_of
from fmkeras.datasets.own.classes import MOST_CLASSES, number_labels, read_class_names
from fmkeras.datasets.own.idx_files import find_idx, read_part
from fmkeras.datasets.own.image_folder import is_image_folder, load_image_folder
from fmkeras.datasets.own.npz_file import NAMES, holds_images, read_npz_file
from fmkeras.errors import UserError
from fmkeras.files import printable
from fmkeras.files.paths import user_path

CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
FORMS = (
    "a folder with a folder of pictures a class, one with four IDX files or with a "
    "training and a test .csv file, or an .npz file of x_train, y_train, x_test, y_test"
)


def is_path(name: str) -> bool:
    """Return whether the name of a data set is meant as a path."""
    path = user_path(name)
    return (
        os.path.exists(path)
        or os.sep in name
        or "," in name
        or bool(path.suffix)
        or name in (".", "..")
    )


def load_own(
    name: str,
    *,
    seed: int = 0,
    resize: str = "stretch",
    skip_bad: bool = False,
    progress: bool = True,
) -> Dataset:
    """Read the data set at a path; see docs/data.md for the forms it may have.

    `seed` decides which images are tested where the data has no test part; `resize`
    how pictures become 28 x 28: `stretch`, or as `predict` does it; with `skip_bad`
    pictures that cannot be read are left out and listed on stderr. Raises
    `UserError` that names the file which is wrong, and how.
    """
    path = user_path(name)
    if not os.path.exists(path) and "," not in name:
        raise UserError(
            f"There is no data at '{path}'; expected {FORMS}: check the path."
        )
    if path.is_dir() and is_image_folder(path) and not _holds_arrays(path):
        *arrays, names, bad = load_image_folder(path, seed, resize, skip_bad, progress)
        _list_bad(bad)
        return _dataset(path, *arrays, names)
    if resize != "stretch" or skip_bad:
        raise refuse_picture_arguments(str(path), resize, skip_bad)
    x_train, y_train, x_test, y_test = _read_files(path, name)
    where = f"'{path}'"
    # What lies beside the files, which may be two: TRAIN.csv,TEST.csv.
    first = user_path(name.split(",")[0].strip())
    folder = path if path.is_dir() else first.parent
    white = white_of(x_train, *([] if x_test is None else [x_test]))
    x_train = to_images(x_train, where, white)
    if x_test is None:
        y_train, _, names = number_labels(
            y_train, y_train[:0], read_class_names(folder), where
        )
        chosen = split_off_test(y_train, seed, where)
        x_test, y_test = x_train[chosen], y_train[chosen]
        x_train, y_train = x_train[~chosen], y_train[~chosen]
    else:
        x_test = to_images(x_test, where, white)
        names = read_class_names(folder)
        y_train, y_test, names = number_labels(y_train, y_test, names, where)
    place = path if os.path.exists(path) else folder
    return _dataset(place, x_train, y_train, x_test, y_test, names, source=str(path))


def _read_files(path: Path, name: str):
    """Return x_train, y_train, x_test, y_test; the last two None without a test."""
    if path.is_file() and path.suffix == ".npz":
        return _read_npz(path)
    if archives := _archives(path):
        return _read_npz(_only(archives))
    if path.is_dir() and (files := find_idx(path)):
        return *read_part(files, "train"), *read_part(files, "test")
    if path.is_file() and path.name.lower().endswith(CSV_SUFFIXES):
        return *read_csv(path, MOST_CLASSES), None, None
    if "," in name or any(_files(path, f"*{suffix}") for suffix in CSV_SUFFIXES):
        train, test = find_csv(name)
        return *read_csv(train, MOST_CLASSES), *read_csv(test, MOST_CLASSES)
    if others := _files(path, "*.npz"):
        # Reading says what it lacks.
        return _read_npz(others[0])
    raise UserError(f"There is no data set at '{path}'; expected {FORMS}: give one.")


def _read_npz(file: Path) -> tuple:
    arrays = read_npz_file(file)
    return tuple(arrays.get(key) for key in NAMES)


def refuse_picture_arguments(data: str, resize: str, skip_bad: bool) -> UserError:
    """Return what to say where data that is no folder of pictures is given these."""
    return UserError(
        f"The data '{data}' is no folder of pictures, which alone take --resize and "
        "--skip-bad; expected neither: leave them out. Received: resize "
        f"{resize}{', skip_bad' if skip_bad else ''}"
    )


def _dataset(
    path: Path, x_train, y_train, x_test, y_test, names, source: str | None = None
) -> Dataset:
    stem = path.stem if path.is_file() else path.resolve().name
    return Dataset(
        name=_plain(stem),
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        source=source or str(path),
        checksum=content_checksum(x_train, y_train, x_test, y_test),
        # As tables, cards and terminals can have them.
        class_names=tuple(map(printable, names)),
    )


def _plain(stem: str) -> str:
    """Return a name of letters and digits of any language, `_`, `.` and `-`.

    An umlaut is one letter, though some file systems write it as two; other marks,
    such as the vowels of Hindi, stay with theirs.
    """
    text = unicodedata.normalize("NFC", stem)
    kept = (
        c.isalnum() or c in "_.-" or unicodedata.category(c)[0] == "M" for c in text
    )
    words = "".join(c if keep else " " for c, keep in zip(text, kept, strict=True))
    return "-".join(words.split()).strip("-.") or "own"


def _list_bad(bad: list[Path]) -> None:
    for path in bad:
        print(f"left out: '{path}' cannot be read as a picture", file=sys.stderr)


def _holds_arrays(folder: Path) -> bool:
    """Return whether IDX files or an archive hold the images, not the folders in it."""
    try:
        return bool(_archives(folder) or find_idx(folder))
    except UserError:  # Not all of the IDX files.
        return False


def _archives(folder: Path) -> list[Path]:
    return [file for file in _files(folder, "*.npz") if holds_images(file)]


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def _only(files: list[Path]) -> Path:
    if len(files) > 1:
        raise UserError(
            f"'{files[0].parent}' holds several .npz files of images; expected one: "
            f"give its path. Received: {', '.join(file.name for file in files)}"
        )
    return files[0]
