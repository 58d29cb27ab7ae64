"""The IDX files of MNIST and its kin: a magic number, sizes, then bytes.

All numbers are 32-bit, the high byte first. The magic number is 0x0800 plus the
number of dimensions: 2051 for images, 2049 for labels.
"""

import struct
import zlib
from pathlib import Path

import numpy as np

from fmkeras.errors import UserError
from fmkeras.files.reading import read_unpacked, reason_of

# Unpacked; those of Fashion-MNIST have 47 MB.
LARGEST_BYTES = 1 << 28
_KINDS = {1: "labels", 3: "images"}


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read an IDX file of bytes, packed (`.gz`) or not, as uint8 of `shape`.

    Raises `UserError` that names the file where it cannot be read or unpacked, or
    its magic number, its sizes or its length are not those of `shape`.
    """
    try:
        content = read_unpacked(path, LARGEST_BYTES)
    except (OSError, ValueError) as error:
        raise _wrong(
            path, "cannot be read", "a whole file", reason_of(error)
        ) from error
    dimensions = len(shape)
    header = 4 + 4 * dimensions
    kind = kind_of(content)
    if kind != _KINDS[dimensions]:
        expected = f"{_KINDS[dimensions]}, magic number {0x0800 + dimensions}"
        received = f"{kind or 'neither'}, first bytes {content[:4].hex()}"
        raise _wrong(path, f"does not hold {_KINDS[dimensions]}", expected, received)
    if len(content) < header:
        raise _wrong(path, "is truncated", f"at least {header} bytes", len(content))
    sizes = struct.unpack(f">{dimensions}I", content[4:header])
    if sizes != shape:
        raise _wrong(path, "has other sizes", shape, sizes)
    payload = len(content) - header
    count = int(np.prod(shape))
    if payload != count:
        fault = "is truncated" if payload < count else "is too long"
        raise _wrong(path, fault, f"{count} bytes of {kind}", payload)
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def kind_of(content: bytes) -> str | None:
    """Return `images` or `labels` by the magic number, packed or not, else None."""
    if content[:2] == b"\x1f\x8b":
        try:
            content = zlib.decompressobj(wbits=31).decompress(content, 4)
        except zlib.error:
            return None
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        return None
    return _KINDS.get(content[3])


def _wrong(path: Path, fault: str, expected: object, received: object) -> UserError:
    return UserError(
        f"The file '{path}' {fault}; expected {expected}: replace the file. "
        f"Received: {received}"
    )
