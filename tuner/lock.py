"""One search at a time in a folder: a lock that names its owner."""

import contextlib
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.files import make_folder
from fmkeras.provenance import command_line

LOCK = "lock"
# Workers of a search that was killed see so within a moment and let go.
PATIENCE = 5.0


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; raise `UserError` with its owner if another does.

    The system lets go of it when the process ends in whatever way, a kill too.
    """
    make_folder(folder)
    with open(folder / LOCK, "a+") as file:
        _take(file, folder)
        owner = {
            "process": os.getpid(),
            "machine": platform.node(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "command": command_line(),
        }
        file.truncate(0)
        file.write(json.dumps(owner))
        file.flush()
        yield


def _take(file, folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise UserError(
                    f"Another search is at work in '{folder}'; expected a folder that "
                    "is not in use: wait for it, or give another NAME. "
                    f"Received: {_describe(file)}"
                ) from error
        time.sleep(0.1)


def _describe(file) -> str:
    file.seek(0)
    try:
        owner = json.loads(file.read())
        return (
            f"process {owner['process']} on {owner['machine']} since "
            f"{owner['since']}: {owner['command']}"
        )
    except (ValueError, KeyError):
        return "a lock whose owner has not signed yet"
