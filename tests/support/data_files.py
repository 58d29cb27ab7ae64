"""Small files in the forms of Fashion-MNIST, for the tests of the data sets."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np

from fmkeras.datasets.checksums import DataFile

COUNTS = {"train": 40, "t10k": 20}


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def small_arrays() -> dict[str, np.ndarray]:
    """Random images and labels under the names of the four files."""
    generator = np.random.default_rng(5)
    arrays = {}
    for part, count in COUNTS.items():
        images = generator.integers(0, 256, (count, 28, 28))
        arrays[f"{part}-images-idx3-ubyte"] = images
        arrays[f"{part}-labels-idx1-ubyte"] = np.arange(count) % 10
    return arrays


def small_files() -> tuple[tuple[DataFile, ...], dict[str, bytes]]:
    """A table of published files of 40 and 20 images, and their packed bytes."""
    table, contents = [], {}
    for name, array in small_arrays().items():
        plain = idx_bytes(array)
        packed = gzip.compress(plain, mtime=0)
        sums = [
            (len(some), hashlib.md5(some, usedforsecurity=False).hexdigest())
            for some in (packed, plain)
        ]
        table.append(DataFile(name, array.shape, *sums))
        contents[f"{name}.gz"] = packed
    return tuple(table), contents


def write_files(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder
