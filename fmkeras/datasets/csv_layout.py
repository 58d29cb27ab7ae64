"""Which column of a CSV file holds what: its separator, and its line of names."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmkeras.errors import UserError
from fmkeras.labels import IMAGE_SHAPE

HEIGHT, WIDTH, _ = IMAGE_SHAPE
PIXELS = HEIGHT * WIDTH
LONGEST_NAMES = 1 << 16
SEPARATORS = (",", ";", "\t")
LABELS = ("label", "labels", "class", "target", "y", "category")
INDEXES = ("", "index", "id", "idx", "#", "unnamed: 0", "imageid", "image_id")


@dataclass(frozen=True, eq=False)
class Layout:
    """The columns of a file.

    Attributes:
        separator: what stands between two columns.
        columns: how many there are.
        label: the column of the label, from 0.
        pixels: the columns of the pixels, row by row, int64 (784,).
        has_names: whether the first line holds names.
    """

    separator: str
    columns: int
    label: int
    pixels: np.ndarray
    has_names: bool


def read_layout(path: Path, line: str) -> Layout:
    """Return the layout that the first line of a file tells.

    Without names the label comes first, the pixels row by row behind it. Names say
    where the label and each pixel stand, in any order: `pixel1`, or `1x1` as row and
    column; a column of row numbers is passed over. Raises `UserError` where the names
    do not tell.
    """
    if len(line) > LONGEST_NAMES:
        raise _wrong(path, f"at most {LONGEST_NAMES:,} characters", f"{len(line):,}")
    separator = max(SEPARATORS, key=line.count)
    names = [name.strip().strip("\"'").strip() for name in line.split(separator)]
    named = [name.lower() in LABELS for name in names]
    numbers = any(re.fullmatch("[+-]?[0-9]+", name) for name in names)
    if not any(named) and (numbers or not line.strip()):
        return Layout(separator, 1 + PIXELS, 0, np.arange(1, 1 + PIXELS), False)
    label = [number for number, is_label in enumerate(named) if is_label]
    if len(label) != 1:
        raise _wrong(path, "one column named label", f"{len(label)} of them")
    pixels: dict[int, int] = {}
    for column, name in enumerate(names):
        if column == label[0] or name.lower() in INDEXES:
            continue
        number = _pixel(name)
        if number is None or number in pixels:
            what = "twice " if number is not None else ""
            raise _wrong(path, "names that end in a pixel's number", f"{what}{name!r}")
        pixels[number] = column
    found = sorted(pixels)
    if found not in (list(range(PIXELS)), list(range(1, PIXELS + 1))):
        span = f", {found[0]} to {found[-1]}" if found else ""
        expected = f"{PIXELS} pixels, numbered from 0 or from 1"
        raise _wrong(path, expected, f"{len(found)}{span}")
    order = np.array([pixels[number] for number in found])
    return Layout(separator, len(names), label[0], order, True)


def _pixel(name: str) -> int | None:
    """Return the number of the pixel that a column's name means, from 1 for 1x1."""
    if place := re.fullmatch(r"(\d{1,3})\s*x\s*(\d{1,3})", name):
        row, column = int(place[1]), int(place[2])
        inside = 1 <= row <= HEIGHT and 1 <= column <= WIDTH
        return (row - 1) * WIDTH + column if inside else None
    ending = re.fullmatch(r"\D*?(\d{1,9})", name)
    return int(ending[1]) if ending else None


def _wrong(path: Path, expected: str, received: str) -> UserError:
    return UserError(
        f"Line 1 of '{path}' names columns that do not tell what they hold; expected "
        f"{expected}: mend them. Received: {received[:80]}"
    )
