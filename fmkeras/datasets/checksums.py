"""The four published files of Fashion-MNIST, and whether a file is one of them."""

import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from fmkeras.datasets.idx import LARGEST_BYTES, kind_of
from fmkeras.files.reading import read_bytes, reason_of
from fmkeras.labels import IMAGE_SHAPE


@dataclass(frozen=True)
class DataFile:
    """One published file: size in bytes and MD5 of its packed and unpacked form."""

    name: str
    shape: tuple[int, ...]
    packed: tuple[int, str]
    unpacked: tuple[int, str]

    @property
    def kind(self) -> str:
        return "labels" if len(self.shape) == 1 else "images"


# The files as they are since August 2017; the first release held duplicates.
FILES = (
    DataFile(
        "train-images-idx3-ubyte",
        (60_000, *IMAGE_SHAPE[:2]),
        (26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        (47_040_016, "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
    ),
    DataFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        (29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        (60_008, "9018921c3c673c538a1fc5bad174d6f9"),
    ),
    DataFile(
        "t10k-images-idx3-ubyte",
        (10_000, *IMAGE_SHAPE[:2]),
        (4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
        (7_840_016, "8181f5470baa50b63fa0f6fddb340f0a"),
    ),
    DataFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        (5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
        (10_008, "15d484375f8d13e6eb1aabb0c3f46965"),
    ),
)


@dataclass(frozen=True)
class FileState:
    """What one file is like.

    `state` is intact, missing, truncated, altered, swapped or unreadable; `detail`
    says more; `size` is in bytes, None where there is no file.
    """

    name: str
    size: int | None
    state: str
    detail: str


def locate(folder: Path, file: DataFile) -> Path | None:
    """Return the path of `file` in `folder`, packed or unpacked, or None.

    Where both are there, it is the packed one, unless only the other is intact.
    """
    paths = _candidates(folder, file)
    if len(paths) == 2 and _inspect(paths[0], file).state != "intact":
        if _inspect(paths[1], file).state == "intact":
            return paths[1]
    return paths[0] if paths else None


def inspect(folder: Path, file: DataFile) -> FileState:
    """Compare `file` in `folder` with the published one, by MD5."""
    path = locate(folder, file)
    if path is None:
        return FileState(file.name, None, "missing", "is missing")
    return _inspect(path, file)


def _candidates(folder: Path, file: DataFile) -> list[Path]:
    paths = [folder / name for name in (f"{file.name}.gz", file.name)]
    # os.path.isfile is also False for what may not be looked at.
    return [path for path in paths if os.path.isfile(path)]


def _inspect(path: Path, file: DataFile) -> FileState:
    try:
        content = read_bytes(path, LARGEST_BYTES)
    except (OSError, ValueError) as error:
        why = f"cannot be read ({reason_of(error)})"
        return FileState(path.name, None, "unreadable", why)
    size, md5 = file.packed if path.suffix == ".gz" else file.unpacked
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found == md5:
        state, detail = "intact", "is intact"
    elif path.suffix == ".gz" and _unpacked_md5(content, file) == file.unpacked[1]:
        state, detail = "intact", "is intact, packed anew"
    else:
        state, detail = _fault(content, found, file, size, md5)
    return FileState(path.name, len(content), state, detail)


def _unpacked_md5(content: bytes, file: DataFile) -> str | None:
    """Return the MD5 of what a packed file holds; None where it is cut off or long."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(content, file.unpacked[0] + 1)
    except zlib.error:
        return None
    if not unpacker.eof or unpacker.unused_data:
        return None
    return hashlib.md5(unpacked, usedforsecurity=False).hexdigest()


def _fault(
    content: bytes, found: str, file: DataFile, size: int, md5: str
) -> tuple[str, str]:
    """Say what `content`, of MD5 `found`, is instead of `file`."""
    for other in FILES:
        if found not in (other.packed[1], other.unpacked[1]):
            continue
        if other == file:
            packed = found == file.packed[1]
            form = "packed, without .gz in" if packed else "unpacked, with .gz in"
            return "altered", f"is the right file, but {form} its name"
        return "swapped", f"holds the {other.kind} of {other.name}, not {file.name}"
    kind = kind_of(content)
    if kind is not None and kind != file.kind:
        return "swapped", f"holds {kind}, not {file.kind}"
    if len(content) < size and (kind == file.kind or not content):
        return "truncated", f"is truncated ({len(content)} of {size} bytes)"
    return "altered", f"is altered (MD5 {found}, not {md5}; {len(content)} bytes)"
