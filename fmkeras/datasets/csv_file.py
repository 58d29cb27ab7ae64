"""Images as comma-separated values: the label and 784 pixels a line.

The form in which Fashion-MNIST is often handed on, one file to train on and one to
test. A line of names says which column holds what (`csv_layout`); semicolons and tabs
separate as commas do; files may be gzipped, in UTF-8 or UTF-16.
"""

import codecs
import gzip
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fmkeras.datasets.csv_layout import PIXELS, Layout, read_layout
from fmkeras.datasets.dataset import Dataset, content_checksum
from fmkeras.errors import UserError
from fmkeras.files.paths import user_path
from fmkeras.files.reading import open_regular, reason_of
from fmkeras.labels import IMAGE_SHAPE, NUM_CLASSES
from fmkeras.text.counts import counted

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_BLOCK = 1 << 22
# A line of images has some four thousand bytes; the largest file known 814,255 lines.
LONGEST_LINE = 1 << 16
MOST_IMAGES = 1_000_000
# Of a whole number: those of images have three, of row numbers a few more.
_MOST_DIGITS = 9
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
    folder = user_path(data_dir)
    if os.path.isdir(folder):
        return _in_folder(folder, "train"), _in_folder(folder, "test")
    pair = [user_path(name.strip()) for name in str(data_dir).split(",")]
    missing = [f"'{path}'" for path in pair if not os.path.isfile(path)]
    if len(pair) == 2 and not missing:
        return pair[0], pair[1]
    if len(pair) == 2:
        raise UserError(
            f"There is no CSV file {' and no '.join(missing)}; expected two of them, "
            f"TRAIN.csv,TEST.csv: check the path. Received: '{data_dir}'"
        )
    if len(pair) == 1 and not missing:
        raise UserError(
            "The data set 'csv' needs two files; expected a folder that holds the "
            "training and the test file, or TRAIN.csv,TEST.csv: give a single file by "
            f"--data (make: DATA=), and its images are split. Received: '{data_dir}'"
        )
    raise UserError(
        "There are no CSV files there; expected a folder that holds the training and "
        f"the test file, or TRAIN.csv,TEST.csv: name another. Received: '{data_dir}'"
    )


def read_csv(
    path: str | os.PathLike, most_classes: int = NUM_CLASSES
) -> tuple[np.ndarray, np.ndarray]:
    """Read uint8 images (n, 28, 28) and int64 labels (n,) from one file.

    Raises `UserError` with the file and the line where a row has other columns than
    the first line tells, a pixel is no whole number from 0 to 255 or a label none
    below `most_classes`, 256 at most.
    """
    path = Path(path)
    parts, count = [], 0
    try:
        with open_regular(path) as file:
            layout = None
            for number, block in _blocks(_unpacked(file)):
                if layout is None:
                    first, _, rest = block.partition(b"\n")
                    text = first.decode("utf-8-sig", errors="replace").rstrip("\r")
                    layout = read_layout(path, text)
                    if layout.has_names:
                        number, block = 2, rest
                if not block:
                    continue
                block = block.replace(layout.separator.encode(), b",")
                rows = _parse_block(block, layout, most_classes)
                if rows is None:
                    rows = _parse_lines(path, number, block, layout, most_classes)
                parts.append(rows)
                count += len(rows)
                if count > MOST_IMAGES:
                    raise ValueError(f"it has more than {MOST_IMAGES:,} images")
    except UserError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(
            f"The file '{path}' cannot be read ({reason_of(error)}); expected a CSV "
            "file: give another."
        ) from error
    if not count:
        raise UserError(
            f"The file '{path}' holds no images; expected lines of {1 + PIXELS} "
            "columns: give another."
        )
    images = np.concatenate([rows[:, 1:] for rows in parts])
    labels = np.concatenate([rows[:, 0] for rows in parts])
    return images.reshape(-1, *IMAGE_SHAPE[:2]), labels.astype(np.int64)


def _in_folder(folder: Path, part: str) -> Path:
    usual = folder / f"fashion-mnist_{part}.csv"
    if usual.is_file():
        return usual
    try:
        names = [
            name for name in os.listdir(folder) if name.lower().endswith(_SUFFIXES)
        ]
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


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's bytes in UTF-8, unpacked, a few megabytes at a time."""
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    source = gzip.GzipFile(fileobj=file) if packed else file
    block = source.read(_BLOCK)
    if block[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        while block:
            yield block
            block = source.read(_BLOCK)
        return
    decoder = codecs.getincrementaldecoder("utf-16")()
    while block:
        yield decoder.decode(block).encode(errors="replace")
        block = source.read(_BLOCK)
    decoder.decode(b"", final=True)


def _blocks(source: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines, some megabytes of them, and the number of the first.

    Raises `ValueError` for a line, or a number of lines, beyond any of images.
    """
    number, rest = 1, b""
    for block in source:
        lines, newline, tail = (rest + block).rpartition(b"\n")
        rest = tail
        if len(rest) > LONGEST_LINE:
            raise ValueError(f"it has a line of more than {LONGEST_LINE:,} bytes")
        if newline:
            yield number, (lines + newline).replace(b"\r\n", b"\n")
            number += lines.count(b"\n") + 1
        if number > 2 * MOST_IMAGES:
            raise ValueError(f"it has more than {2 * MOST_IMAGES:,} lines")
    if rest:
        yield number, rest.removesuffix(b"\r") + b"\n"


def _parse_block(block: bytes, layout: Layout, most_classes: int) -> np.ndarray | None:
    """Parse plain rows all at once, uint8 (n, 785); None where one is not plain.

    The label comes first in what is returned, then the pixels row by row.

    A value is the sum of its digits' worths, taken at fixed distances before the
    separator that ends it.
    """
    text = np.frombuffer(block, np.uint8)
    digits = text - _ZERO
    ends = np.flatnonzero((text == _COMMA) | (text == _NEWLINE))
    if len(ends) % layout.columns or (digits > 9).sum() != len(ends):
        return None
    kinds = text[ends].reshape(-1, layout.columns)
    if (kinds[:, :-1] != _COMMA).any() or (kinds[:, -1] != _NEWLINE).any():
        return None
    lengths = np.diff(ends, prepend=-1) - 1
    if lengths.min() < 1 or lengths.max() > _MOST_DIGITS:
        return None
    values = digits[ends - 1].astype(np.int32)
    for place in range(1, int(lengths.max())):
        # Where a number has fewer digits, the index points before it and is dropped;
        # the first ones wrap around to the end of the block, which does no harm.
        value = np.where(lengths > place, digits[ends - 1 - place], 0)
        values += value * np.int32(10**place)
    rows = _label_first(values.reshape(-1, layout.columns), layout)
    if rows.max() > 255 or rows[:, 0].max() >= most_classes:
        return None
    return rows.astype(np.uint8)


def _label_first(rows: np.ndarray, layout: Layout) -> np.ndarray:
    return rows[:, np.concatenate([[layout.label], layout.pixels])]


def _parse_lines(
    path: Path, first_line: int, block: bytes, layout: Layout, most_classes: int
) -> np.ndarray:
    """Parse a block line by line: for what is unusual, and to say what is wrong."""
    rows = []
    lines = block.decode("utf-8-sig", errors="replace").split("\n")
    for number, text in enumerate(lines, first_line):
        if len(text) > LONGEST_LINE:
            raise ValueError(f"line {number} has more than {LONGEST_LINE:,} bytes")
        if not text.strip():
            continue
        fields = [field.strip().strip('"') for field in text.split(",")]
        if len(fields) != layout.columns:
            order = "as its first line names them"
            if not layout.has_names:
                order = "the label, then the pixels; a line of names may say otherwise"
            columns = counted(len(fields), "column")
            raise UserError(
                f"Line {number} of '{path}' has {columns}; expected "
                f"{layout.columns}: {order}. Received: {_short(text)}"
            )
        columns = [layout.label, *layout.pixels.tolist()]
        rows.append(
            [
                _value(
                    path, number, i, fields[i], most_classes if i == layout.label else 0
                )
                for i in columns
            ]
        )
    return np.array(rows, np.uint8).reshape(-1, 1 + PIXELS)


def _value(path: Path, line: int, column: int, field: str, classes: int) -> int:
    """Return a label below `classes`, or where that is 0 a pixel."""
    what, highest = ("label", classes - 1) if classes else ("pixel", 255)
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
