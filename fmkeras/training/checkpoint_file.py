"""A checkpoint on the disk: arrays and JSON in one file, under one checksum."""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from fmkeras.files import flush_to_disk, temporary_file

# The digest stands behind the archive, where readers of archives do not look.
_MARK = b"\nsha256 "
_DIGEST_BYTES = len(_MARK) + 64
_BLOCK = 1 << 20


class DamagedCheckpoint(Exception):
    """A checkpoint that is missing, cut short or altered; the message says how."""


def previous_path(path: Path) -> Path:
    """Return where the checkpoint before the newest lies."""
    return path.with_name(f"{path.stem}-previous{path.suffix}")


def write_checkpoint(path: Path, state: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write a checkpoint whole or not at all; the one before stays beside it.

    File and folder are flushed to the disk. The file is an .npz archive with a SHA-256
    of all its bytes behind it.
    """
    with temporary_file(path) as temporary:
        np.savez(temporary, state=np.array(json.dumps(state)), **arrays)
        with open(temporary, "r+b") as file:
            digest = _digest(file, os.fstat(file.fileno()).st_size)
            file.write(_MARK + digest.encode())
        flush_to_disk(temporary)
        if path.exists():
            os.replace(path, previous_path(path))
        os.replace(temporary, path)
        flush_to_disk(path.parent)


def read_checkpoint(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Return state and arrays; raise `DamagedCheckpoint` unless every byte is right."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size - _DIGEST_BYTES
            if size <= 0:
                raise DamagedCheckpoint("it is empty or cut short")
            digest = _digest(file, size)
            if file.read() != _MARK + digest.encode():
                raise DamagedCheckpoint("its SHA-256 is another")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DamagedCheckpoint(reason) from error
    return json.loads(str(arrays.pop("state"))), arrays


def _digest(file: io.BufferedIOBase, size: int) -> str:
    """Return the SHA-256 of the first `size` bytes, and leave the file behind them."""
    file.seek(0)
    digest = hashlib.sha256()
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()
