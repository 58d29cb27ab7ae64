"""IDX files of any set of MNIST's form, named as published or as Kaggle has them."""

import struct
from pathlib import Path

import numpy as np

from fmkeras.datasets.idx import kind_of
from fmkeras.datasets.picture_decoder import PICTURE_SUFFIXES
from fmkeras.errors import UserError
from fmkeras.files.reading import read_unpacked, reason_of

KINDS = {1: "labels", 3: "images"}
# Of a file, unpacked: 1.3 million images.
LARGEST_BYTES = 1 << 30
PARTS = {"train": ("train",), "test": ("t10k", "test")}


def find_idx(folder: Path, prefix: str = "") -> dict[tuple[str, str], Path] | None:
    """Return the four files by (train or test, images or labels); None if none is IDX.

    Files may lie in folders of their own within `folder`, as Kaggle packs them, with
    any punctuation in their names, gzipped or not. `prefix` chooses among several
    sets in one folder, as EMNIST's are. Raises `UserError` where one is missing or
    two are alike.
    """
    found: dict[tuple[str, str], Path] = {}
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        name = path.name.lower()
        if "idx" not in name or not name.startswith(prefix) or not path.is_file():
            continue
        if path.suffix.lower() in PICTURE_SUFFIXES:
            continue
        part = next((p for p, words in PARTS.items() if _holds(name, words)), None)
        kind = next((kind for kind in KINDS.values() if kind in name), None)
        if part is None or kind is None:
            continue
        other = found.setdefault((part, kind), path)
        if other != path and _stem(other) != _stem(path):
            raise UserError(
                f"'{folder}' holds several files of {part} {kind}; expected one set "
                f"in a folder: move the others away. Received: {other.name}, "
                f"{path.name}"
            )
    if not found:
        return None
    for part in PARTS:
        for kind in KINDS.values():
            if (part, kind) not in found:
                raise UserError(
                    f"'{folder}' lacks the {kind} of the {part} part; expected four "
                    "IDX files, such as train-images-idx3-ubyte.gz: put it there. "
                    f"Received: {', '.join(path.name for path in found.values())}"
                )
    return found


def read_any_idx(path: Path) -> np.ndarray:
    """Read an IDX file of bytes of any sizes, gzipped or not, as uint8.

    Raises `UserError` that names the file where it cannot be read, is none of bytes,
    or is shorter or longer than its sizes say.
    """
    try:
        content = read_unpacked(path, LARGEST_BYTES)
    except (OSError, ValueError) as error:
        raise _wrong(
            path, "cannot be read", "a whole file", reason_of(error)
        ) from error
    if kind_of(content) is None:
        raise _wrong(
            path,
            "is no IDX file of images or labels",
            "magic number 2051 or 2049",
            f"first bytes {content[:4].hex()}",
        )
    dimensions = content[3]
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise _wrong(path, "is truncated", f"at least {header} bytes", len(content))
    sizes = struct.unpack(f">{dimensions}I", content[4:header])
    payload, count = len(content) - header, int(np.prod(sizes, dtype=object))
    if payload != count:
        fault = "is truncated" if payload < count else "is too long"
        raise _wrong(path, fault, f"{count} bytes after its header", payload)
    return np.frombuffer(content, np.uint8, offset=header).reshape(sizes)


def read_part(files: dict, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, h, w) and labels (n,) of a part; `UserError` if they differ."""
    images, labels = (read_any_idx(files[part, kind]) for kind in ("images", "labels"))
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise UserError(
            f"'{files[part, 'images']}' and '{files[part, 'labels']}' do not belong "
            "together; expected a label for each image: check both. "
            f"Received: {images.shape} and {labels.shape}"
        )
    return images, labels


def _holds(name: str, words: tuple[str, ...]) -> bool:
    return any(word in name for word in words)


def _stem(path: Path) -> str:
    return path.name.lower().removesuffix(".gz")


def _wrong(path: Path, fault: str, expected: object, received: object) -> UserError:
    return UserError(
        f"The file '{path}' {fault}; expected {expected}: replace the file. "
        f"Received: {received}"
    )
