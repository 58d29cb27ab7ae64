"""Writes that are whole or not there at all, and flushed to the disk."""

import contextlib
import csv
import errno
import fcntl
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from fmkeras.errors import UserError

_NUMBERS = re.compile(r"\[\n\s*((?:-?\d[\d.e+-]*,?\s+)+)\]")
_TEMPORARY = re.compile(r"\..*-[0-9a-f]{16}-partial(\.[^.]*)?")


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place at a clean end.

    The temporary name keeps the suffix of `path`. When the block raises, the
    temporary file is removed and `path` is left as it was. File and folder are
    flushed to the disk, so that a power cut leaves the old content or the new.
    Missing parent folders are made. Temporary files that killed processes left in the
    folder are removed. Raises `UserError` where the folder cannot be written.
    """
    path = Path(path)
    with temporary_file(path) as temporary:
        yield temporary
        flush_to_disk(temporary)
        os.replace(temporary, path)
        flush_to_disk(path.parent)


@contextlib.contextmanager
def temporary_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; the caller flushes it and moves it.

    Where it was not moved it is removed at the end. It is locked while this process
    lives, which tells it from what a killed one left.
    """
    path = Path(path)
    make_folder(path.parent)
    clear_temporary_files(path.parent)
    temporary, handle = _create_locked(path)
    try:
        yield temporary
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def _create_locked(path: Path) -> tuple[Path, int]:
    """Create an empty file beside `path`; return its path and its locked handle."""
    stem = path.stem[:100]
    while True:
        name = f".{stem}-{secrets.token_hex(8)}-partial{path.suffix}"
        temporary = path.parent / name
        try:
            # Made here, not by `tempfile`: the system itself applies the umask, which
            # no process can read without setting it for a moment in all its threads.
            handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:
            raise _not_writable(path.parent, error) from error
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Before it was locked, another writer may have taken it for a leftover.
        if temporary.exists():
            return temporary, handle
        os.close(handle)


def flush_to_disk(path: str | os.PathLike) -> None:
    """Return when a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear_temporary_files(folder: str | os.PathLike) -> None:
    """Remove the temporary files of processes that were killed while writing."""
    for name in os.listdir(folder):
        if not _TEMPORARY.fullmatch(name):
            continue
        path = Path(folder) / name
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                # Refused while the process that writes it lives.
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(handle)


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; move it into place at a clean end.

    A folder that `path` names is replaced as a whole; the caller has made sure that
    it may be. When the block raises, `path` is left as it was. Raises `UserError`
    where the parent folder cannot be written.
    """
    path = Path(path)
    make_folder(path.parent)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as base:
        staging = Path(base) / path.name
        staging.mkdir()
        yield staging
        for file in staging.rglob("*"):
            if file.is_file():
                flush_to_disk(file)
        if path.exists():
            os.replace(path, Path(base) / "before")
        os.replace(staging, path)
        flush_to_disk(path.parent)


def make_folder(folder: str | os.PathLike) -> Path:
    """Make `folder` where it is missing and check that files can be made in it."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise _not_writable(folder, error) from error


def cache_folder(name: str) -> Path | None:
    """Return the folder for what can be made again, by the XDG convention.

    None where there is no such folder: a user without HOME and without an entry in
    passwd, or a home that cannot be written. Nothing is then kept between runs.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        # The convention ignores a path that is not absolute.
        absolute = base and os.path.isabs(base)
        folder = Path(base) if absolute else Path.home() / ".cache"
        folder = folder / "fmkeras" / name
        if not folder.is_absolute():
            return None
        return make_folder(folder)
    except (RuntimeError, UserError):
        return None


def write_csv(path: str | os.PathLike, rows: Sequence[dict]) -> None:
    """Write rows of equal keys as CSV, whole or not at all."""
    with (
        replacing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: str | os.PathLike, content: object) -> None:
    """Write `content` as indented JSON, whole or not at all; numbers in rows."""
    text = json_text(content)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike, largest: int = 1 << 26) -> object:
    """Return the content of a JSON file.

    Raises `OSError` for a file that cannot be read, and `ValueError` for one that is no
    regular file, larger than `largest` bytes, nested too deeply, or no JSON.
    """
    return parse_json(read_bytes(path, largest))


def parse_json(content: bytes | str) -> object:
    """Return what JSON says; `ValueError` where it is none, or nested too deeply."""
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_bytes(path: str | os.PathLike, largest: int) -> bytes:
    """Return the content of a regular file of at most `largest` bytes.

    Raises `OSError`, or `ValueError` for another kind of file or a larger one: to read
    from a pipe or an endless device would never end.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if found.st_size > largest:
            raise ValueError(f"it has {found.st_size:,} bytes; at most {largest:,}")
        return file.read(largest)


def printable(name: object) -> str:
    """Return a name as a terminal may have it: control characters as \\x1b, as Python.

    A file's name can hold what moves the cursor or renames the window.
    """
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode()
        for c in str(name)
    )


def json_text(content: object) -> str:
    """Return `content` as indented JSON, one line for each list of numbers."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    text = _NUMBERS.sub(lambda row: f"[{' '.join(row[1].split())}]", text)
    # A name that is no valid UTF-8 is written as JSON's escape.
    return re.sub("[\ud800-\udfff]", lambda c: f"\\u{ord(c[0]):04x}", text) + "\n"


def _not_writable(folder: Path, error: OSError) -> UserError:
    reason = error.strerror or str(error)
    return UserError(
        f"Cannot write to the folder '{folder}' ({reason}); "
        "expected one that can be written: give another."
    )
