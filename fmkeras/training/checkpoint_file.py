"""A checkpoint on the disk: arrays and JSON in one file, under one checksum."""

import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np

from fmkeras.files import flush_to_disk, temporary_file
from fmkeras.files.npz import read_npz
from fmkeras.files.reading import open_regular, parse_json, reason_of
from fmkeras.files.schema import NUMBER

# The digest stands behind the archive, where readers of archives do not look.
_MARK = b"\nsha256 "
_DIGEST_BYTES = len(_MARK) + 64
_BLOCK = 1 << 20
LARGEST_BYTES = 64 << 30
STATE = {
    "epochs_done": int,
    "kept_epoch": int,
    "history": [dict],
    "per_class": [dict],
    "epochs_averaged?": int,
    "step?": int,
    "seconds?": NUMBER,
    "loss_sum?": NUMBER,
}


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
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size - _DIGEST_BYTES
            if size <= 0:
                raise DamagedCheckpoint("it is empty or cut short")
            digest = _digest(file, size)
            if file.read() != _MARK + digest.encode():
                raise DamagedCheckpoint("its SHA-256 is another")
            file.seek(0)
            arrays = read_npz(file, largest=LARGEST_BYTES)
        state = parse_json(str(arrays.pop("state", "")), STATE)
    except (OSError, ValueError) as error:
        raise DamagedCheckpoint(reason_of(error)) from error
    return state, arrays


def kept_weights(path: Path) -> list[np.ndarray]:
    """Return the weights that a run kept; raises as `read_checkpoint` does."""
    _, arrays = read_checkpoint(path)
    count = sum(name.startswith("kept_") for name in arrays)
    try:
        return [arrays[f"kept_{number}"] for number in range(count)]
    except KeyError as error:
        raise DamagedCheckpoint(f"it lacks {error}") from error


def _digest(file: io.BufferedIOBase, size: int) -> str:
    """Return the SHA-256 of the first `size` bytes, and leave the file behind them."""
    file.seek(0)
    digest = hashlib.sha256()
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()
