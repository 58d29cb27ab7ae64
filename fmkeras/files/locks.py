"""One process at a time in a folder: a lock that names its owner."""

import contextlib
import fcntl
import functools
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.files import make_folder
from fmkeras.provenance import command_line

LOCK = "lock"
# Children of a process that was killed see so within a moment and let go.
PATIENCE = 5.0
SECONDS_BETWEEN_LOOKS = 1.0


class Locked(UserError):
    """Another process is at work in a folder."""


@contextlib.contextmanager
def locked(folder: Path, what: str, patience: float | None = None) -> Iterator[None]:
    """Hold the lock of a folder; raise `Locked` with its owner if another does.

    `what` names the work in the message, such as 'training'. The system releases the
    lock when the process ends in whatever way, a kill too. A file system without locks
    (some network folders) is used without one.
    """
    make_folder(folder)
    with open(folder / LOCK, "a+", encoding="utf-8", errors="replace") as file:
        _take(file, folder, what, PATIENCE if patience is None else patience)
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


@contextlib.contextmanager
def try_locked(folder: Path, what: str) -> Iterator[bool]:
    """Hold the lock of a folder where no other process does; yield whether it is held.

    `what` names the work, as for `locked`.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(folder, what, patience=0.0))
        except Locked:
            held = False
        else:
            held = True
        yield held


def is_locked(folder: Path) -> bool:
    """Say whether a process holds the lock of a folder."""
    try:
        with open(folder / LOCK, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def wait_until_free(
    folder: Path, log: Callable[[str], None] | None = None, until: float | None = None
) -> bool:
    """Wait while a process holds the lock of a folder; return whether it is free.

    The child of a process that was killed may need a while to see so.

    Args:
        folder: need not be there.
        log: takes a line where the process begins to wait; printed by default.
        until: when to give up, by `time.monotonic`; never by default.
    """
    log = log or functools.partial(print, flush=True)
    told = False
    while is_locked(folder):
        if until is not None and time.monotonic() >= until:
            return False
        if not told:
            log(f"Another process is at work in '{folder}': waiting for it.")
            told = True
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return True


@contextlib.contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Hold a folder for a moment, waiting for others; leaves no file behind."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _take(file, folder: Path, what: str, patience: float) -> None:
    end = time.monotonic() + patience
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= end:
                raise Locked(
                    f"Another process is at work in '{folder}' ({what}); expected a "
                    "folder that is not in use: wait for it, or use another folder. "
                    f"Received: {_describe(file)}"
                ) from error
        except OSError:
            return None
        time.sleep(0.1)


def _describe(file) -> str:
    file.seek(0)
    try:
        owner = json.loads(file.read(10_000))
        return (
            f"process {owner['process']} on {owner['machine']} since "
            f"{owner['since']}: {owner['command']}"
        )
    except (ValueError, KeyError, TypeError):
        return "a lock whose owner has not signed yet"
