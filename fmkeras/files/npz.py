"""NumPy archives read with bounds: what each array declares is held against its bytes.

NumPy makes room for an array by the shape in its header before it reads any of it, and
unpickles objects, which runs code, where it is told to.
"""

import io
import math
import os
import sys
import zipfile
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from fmkeras.files.reading import open_regular

LARGEST_BYTES = 2 << 30
MOST_ARRAYS = 100_000
# Numbers, truth values and text; dates, records and objects are none of ours.
KINDS = "biufcSU"


def read_npz(
    file: str | os.PathLike | BinaryIO,
    wanted: Callable[[str], bool] = lambda name: True,
    largest: int = LARGEST_BYTES,
) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by name, those that are `wanted`.

    Raises `OSError` for a file that cannot be read, and `ValueError` for one that is no
    archive of plain arrays, is damaged, or of more than `largest` bytes unpacked.
    """
    if not hasattr(file, "read"):
        with open_regular(file, largest) as opened:
            return read_npz(opened, wanted, largest)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > largest or len(members) > MOST_ARRAYS:
                raise ValueError(
                    f"it declares {len(members):,} arrays of {total:,} bytes; at most "
                    f"{MOST_ARRAYS:,} of {largest:,}"
                )
            names = [(m, m.filename.removesuffix(".npy")) for m in members]
            return {
                name: _read_array(archive.read(member), name)
                for member, name in names
                if wanted(name)
            }
    except (OSError, ValueError):
        raise
    except Exception as error:  # zipfile and zlib raise many types.
        raise ValueError(str(error) or type(error).__name__) from error


def names_in(file: BinaryIO) -> list[str]:
    """Return the names of the arrays in an .npz file that can be read."""
    with zipfile.ZipFile(file) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _read_array(content: bytes, name: str) -> np.ndarray:
    stream = io.BytesIO(content)
    try:
        version = npy.read_magic(stream)
        read_header = {
            (1, 0): npy.read_array_header_1_0,
            (2, 0): npy.read_array_header_2_0,
        }[version]
        shape, by_columns, dtype = read_header(stream)
    except Exception as error:  # The header is a Python literal, read as one.
        raise ValueError(f"its array {name[:80]!r} has no header") from error
    if dtype.kind not in KINDS or dtype.hasobject or not dtype.itemsize:
        raise ValueError(f"its array {name[:80]!r} is of {dtype}; expected numbers")
    held = len(content) - stream.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != held:
        raise ValueError(
            f"its array {name[:80]!r} declares {shape} of {dtype} and holds {held:,} "
            "bytes"
        )
    # Bytes that can be written to, without a copy.
    array = np.frombuffer(bytearray(content), dtype, offset=stream.tell())
    if dtype.kind == "U" and len(array):
        points = array.view(np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if points.max() > sys.maxunicode:
            raise ValueError(f"its array {name[:80]!r} holds numbers that are no text")
    return array.reshape(shape, order="F" if by_columns else "C")
