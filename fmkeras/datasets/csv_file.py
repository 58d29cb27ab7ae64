"""Images as comma-separated values: 785 columns, the label, then 784 pixels.

The form in which Fashion-MNIST is often handed on: one image a line, pixels row by
row, with or without a line of column names, one file to train on and one to test.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fmkeras.datasets.dataset import Dataset, content_checksum
from fmkeras.errors import UserError
from fmkeras.labels import IMAGE_SHAPE, NUM_CLASSES

_COLUMNS = 1 + IMAGE_SHAPE[0] * IMAGE_SHAPE[1]
_BLOCK = 1 << 22
_COMMA, _NEWLINE, _ZERO = b",\n0"


def load_csv(data_dir: str | os.PathLike | None) -> Dataset:
    """Read the training and the test file of a folder, or of `TRAIN.csv,TEST.csv`.

    In a folder these are fashion-mnist_train.csv and fashion-mnist_test.csv, else the
    one .csv file with `train` in its name and the one with `test`. Without
    `data_dir` the folder is `$FMKERAS_DATA`. Raises `UserError` where they cannot be
    told or are not in form, with the line.
    """
    train, test = find_csv(data_dir)
    x_train, y_train = read_csv(train)
    x_test, y_test = read_csv(test)
    return Dataset(
        name="csv",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        source=f"{train}, {test}",
        checksum=content_checksum(x_train, y_train, x_test, y_test),
    )


def find_csv(data_dir: str | os.PathLike | None) -> tuple[Path, Path]:
    """Return the paths of the training and the test file."""
    data_dir = data_dir or os.environ.get("FMKERAS_DATA")
    if not data_dir:
        raise UserError(
            "The data set 'csv' needs its files; expected a folder that holds the "
            "training and the test file, or TRAIN.csv,TEST.csv: give --data-dir "
            "(make: DATA_DIR=)."
        )
    folder = Path(data_dir).expanduser()
    if os.path.isdir(folder):
        return _in_folder(folder, "train"), _in_folder(folder, "test")
    pair = [Path(name.strip()).expanduser() for name in str(data_dir).split(",")]
    if len(pair) == 2 and all(os.path.isfile(path) for path in pair):
        return pair[0], pair[1]
    raise UserError(
        "There are no CSV files there; expected a folder that holds the training and "
        f"the test file, or TRAIN.csv,TEST.csv: name another. Received: '{data_dir}'"
    )


def read_csv(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read uint8 images (n, 28, 28) and int64 labels (n,) from one file.

    Raises `UserError` with the file and the line where a row has other than 785
    columns, a pixel is no whole number from 0 to 255 or a label none from 0 to 9.
    """
    path = Path(path)
    parts = []
    try:
        with open(path, "rb") as file:
            for first_line, block in _blocks(file):
                rows = _parse_block(block)
                if rows is None:
                    rows = _parse_lines(path, first_line, block)
                parts.append(rows)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"The file '{path}' cannot be read ({reason}); expected a CSV file: "
            "give another."
        ) from error
    rows = np.concatenate([np.empty((0, _COLUMNS), np.uint8), *parts])
    if not len(rows):
        raise UserError(
            f"The file '{path}' holds no images; expected lines of {_COLUMNS} columns: "
            "give another."
        )
    images = np.ascontiguousarray(rows[:, 1:]).reshape(-1, *IMAGE_SHAPE[:2])
    return images, rows[:, 0].astype(np.int64)


def _in_folder(folder: Path, part: str) -> Path:
    usual = folder / f"fashion-mnist_{part}.csv"
    if usual.is_file():
        return usual
    try:
        names = [name for name in os.listdir(folder) if name.lower().endswith(".csv")]
    except OSError:
        names = []
    candidates = sorted(name for name in names if part in name.lower())
    if len(candidates) == 1:
        return folder / candidates[0]
    names = ", ".join(candidates) or "none"
    raise UserError(
        f"The folder '{folder}' must hold one .csv file with '{part}' in its name; "
        f"give both files as TRAIN.csv,TEST.csv instead. Received: {names}"
    )


def _blocks(file) -> Iterator[tuple[int, bytes]]:
    """Yield some megabytes of whole lines at a time and the number of the first."""
    number = 1
    # The first line goes alone, so that names in it keep no other line from the
    # fast way.
    lines = [file.readline()]
    while any(lines):
        block = b"".join(lines).replace(b"\r\n", b"\n")
        yield number, block if block.endswith(b"\n") else block + b"\n"
        number += len(lines)
        lines = file.readlines(_BLOCK)


def _parse_block(block: bytes) -> np.ndarray | None:
    """Parse plain rows all at once, uint8 (n, 785); None where one is not plain.

    A value is the sum of its digits' worths, taken at fixed distances before the
    separator that ends it.
    """
    text = np.frombuffer(block, np.uint8)
    digits = text - _ZERO
    ends = np.flatnonzero((text == _COMMA) | (text == _NEWLINE))
    if len(ends) % _COLUMNS or (digits > 9).sum() != len(ends):
        return None
    kinds = text[ends].reshape(-1, _COLUMNS)
    if (kinds[:, :-1] != _COMMA).any() or (kinds[:, -1] != _NEWLINE).any():
        return None
    lengths = np.diff(ends, prepend=-1) - 1
    if lengths.min() < 1 or lengths.max() > 3:
        return None
    values = digits[ends - 1].astype(np.int16)
    # Where a number has fewer digits, these indices point before it and are dropped;
    # the first ones wrap around to the end of the block, which does no harm.
    values += np.where(lengths > 1, digits[ends - 2], 0) * np.int16(10)
    values += np.where(lengths > 2, digits[ends - 3], 0) * np.int16(100)
    rows = values.reshape(-1, _COLUMNS)
    if values.max() > 255 or rows[:, 0].max() >= NUM_CLASSES:
        return None
    return rows.astype(np.uint8)


def _parse_lines(path: Path, first_line: int, block: bytes) -> np.ndarray:
    """Parse a block line by line: for what is unusual, and to say what is wrong."""
    rows = []
    lines = block.decode("utf-8-sig", errors="replace").split("\n")
    for number, text in enumerate(lines, first_line):
        if not text.strip():
            continue
        fields = [field.strip().strip('"') for field in text.split(",")]
        if len(fields) != _COLUMNS:
            raise UserError(
                f"Line {number} of '{path}' has {len(fields)} columns; expected "
                f"{_COLUMNS}: the label, then the pixels. Received: {_short(text)}"
            )
        if number == 1 and _is_header(fields):
            continue
        rows.append([_value(path, number, i, field) for i, field in enumerate(fields)])
    return np.array(rows, np.uint8).reshape(-1, _COLUMNS)


def _is_header(fields: list[str]) -> bool:
    """Whether these are names: `label` comes first, or nothing is a number."""
    return fields[0].lower() == "label" or not any(map(_is_whole, fields))


def _value(path: Path, line: int, column: int, field: str) -> int:
    what, highest = ("pixel", 255) if column else ("label", NUM_CLASSES - 1)
    if _is_whole(field) and len(field) < 9 and 0 <= int(field) <= highest:
        return int(field)
    raise UserError(
        f"Line {line} of '{path}' has a wrong {what} in column {column + 1}; expected "
        f"a whole number from 0 to {highest}: mend it. Received: {_short(field)}"
    )


def _is_whole(field: str) -> bool:
    return re.fullmatch("[+-]?[0-9]+", field) is not None


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
