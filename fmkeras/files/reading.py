"""Files read with bounds: regular ones alone, of a size and a form that is known."""

import errno
import gzip
import json
import os
import stat
import zlib
from typing import BinaryIO

from fmkeras.files.schema import check, check_bounds

# Of JSON: the largest record of this project has half a megabyte.
LARGEST_JSON = 1 << 26
_BLOCK = 1 << 20


def open_regular(path: str | os.PathLike, largest: int | None = None) -> BinaryIO:
    """Open a regular file of at most `largest` bytes for reading.

    Raises `OSError`, or `ValueError` for another kind of file or a larger one: to read
    from a pipe, a socket or an endless device, or a link to one, would never end.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = open(handle, "rb")
    try:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if largest is not None and found.st_size > largest:
            raise ValueError(f"it has {found.st_size:,} bytes; at most {largest:,}")
    except BaseException:
        file.close()
        raise
    return file


def read_bytes(path: str | os.PathLike, largest: int) -> bytes:
    """Return the content of a regular file of at most `largest` bytes.

    Raises as `open_regular` does.
    """
    with open_regular(path, largest) as file:
        content = bytearray()
        # Piece by piece: files of the system, as in /proc, have no size of their own.
        while block := file.read(_BLOCK):
            content += block
            if len(content) > largest:
                raise ValueError(f"it has more than {largest:,} bytes")
    return bytes(content)


def read_unpacked(path: str | os.PathLike, largest: int) -> bytearray:
    """Return the content of a regular file, unpacked where it is gzipped.

    Raises as `read_bytes` does; also where it is damaged, or larger unpacked.
    """
    with open_regular(path, largest) as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        content = bytearray()
        source = gzip.GzipFile(fileobj=file) if packed else file
        try:
            while block := source.read(_BLOCK):
                content += block
                if len(content) > largest:
                    raise ValueError(f"it has more than {largest:,} bytes")
        except (EOFError, zlib.error) as error:
            raise ValueError(str(error)) from error
    return content


def read_text(path: str | os.PathLike, largest: int = LARGEST_JSON) -> str:
    """Return the text, UTF-8, of a regular file; raises as `read_bytes` does."""
    return read_bytes(path, largest).decode("utf-8-sig")


def read_json(
    path: str | os.PathLike, schema: object = object, largest: int = LARGEST_JSON
) -> object:
    """Return the content of a JSON file that is of a schema (`fmkeras.files.schema`).

    Raises `OSError` for a file that cannot be read, and `ValueError` for one that is no
    regular file, larger than `largest` bytes, nested too deeply, no JSON, or of another
    form.
    """
    return parse_json(read_bytes(path, largest), schema)


def parse_json(content: bytes | str, schema: object = object) -> object:
    """Return what JSON says; raises `ValueError` as `read_json` does."""
    try:
        found = json.loads(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    check_bounds(found)
    check(found, schema)
    return found


def reason_of(error: Exception) -> str:
    """Return one line on why a file could not be read."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:300]
