"""Writes that are whole or not there at all, and flushed to the disk."""

import contextlib
import csv
import fcntl
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from fmkeras.errors import CannotWrite, UserError

# How what is no text, as the names of some files, is written: as Python escapes it.
ESCAPED = "backslashreplace"
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

    A folder that `path` names, or a link, is replaced as a whole; the caller has made
    sure that it may be. When the block raises, `path` is left as it was. Raises
    `UserError` where the parent folder cannot be written.
    """
    path = Path(os.path.realpath(path))
    make_folder(path.parent)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as base:
        staging = Path(base) / path.name
        staging.mkdir()
        yield staging
        for file in staging.rglob("*"):
            if file.is_file():
                flush_to_disk(file)
        before = Path(base) / "before"
        try:
            if path.exists():
                os.replace(path, before)
            os.replace(staging, path)
        except BaseException:
            if before.exists() and not path.exists():
                os.replace(before, path)
            raise
        flush_to_disk(path.parent)


def may_be_replaced(folder: str | os.PathLike, mark: str) -> bool:
    """Say whether nothing of the user's is lost where `folder` is made anew.

    It is absent, empty, or holds the file `mark`, as what was written before does.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return not os.path.lexists(folder)
    return (folder / mark).is_file() or not any(folder.iterdir())


def make_folder(folder: str | os.PathLike) -> Path:
    """Make `folder` where it is missing and check that files can be made in it."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, ValueError) as error:
        # A name with a null character, or of no encoding, is a ValueError.
        raise _not_writable(folder, error) from error


def check_file(*paths: str | os.PathLike | None) -> None:
    """Raise `CannotWrite` where a file cannot be written; None stands for none.

    For what is written at the end of work: its folder is made now.
    """
    for path in filter(None, paths):
        if Path(path).is_dir():
            raise CannotWrite(
                f"'{path}' is a folder; expected the name of a file. Received: {path}"
            )
        make_folder(Path(path).parent)


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
        open(temporary, "w", newline="", encoding="utf-8", errors=ESCAPED) as file,
    ):
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: str | os.PathLike, content: object) -> None:
    """Write `content` as indented JSON, whole or not at all; numbers in rows."""
    text = json_text(content)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def printable(name: object) -> str:
    """Return a name as a terminal may have it: control characters as \\x1b, as Python.

    A file's name can hold what moves the cursor, renames the window or begins a line
    of its own; or bytes that are no text.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in str(name)
    )


def plain_name(name: str) -> str:
    """Return a name as part of a file's and an address's; no two names give the same.

    Other characters than letters, digits and `_.-` by their numbers.
    """
    return re.sub("[^A-Za-z0-9_.-]", lambda c: f"~{ord(c[0]):x}~", name)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write text in UTF-8, whole or not at all; what is no text as Python escapes it.

    The name of a file may be no text.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=ESCAPED)


def check_room(folder: str | os.PathLike, needed: int) -> None:
    """Raise `UserError` where the disk of a folder has less room than is needed."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        # Some file systems do not tell; writing will.
        return
    if free < needed:
        raise CannotWrite(
            f"The disk of the folder '{folder}' is full; expected room for "
            f"{needed / 1e6:,.0f} MB: make room, or use another folder (--runs, --out)."
            f" Received: {free / 1e6:,.0f} MB"
        )


def json_text(content: object) -> str:
    """Return `content` as indented JSON, one line for each list of numbers."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    text = _NUMBERS.sub(lambda row: f"[{' '.join(row[1].split())}]", text)
    # A name that is no valid UTF-8 is written as JSON's escape.
    return re.sub("[\ud800-\udfff]", lambda c: f"\\u{ord(c[0]):04x}", text) + "\n"


def _not_writable(folder: Path, error: OSError | ValueError) -> CannotWrite:
    reason = getattr(error, "strerror", None) or str(error)
    return CannotWrite(
        f"Cannot write to the folder '{printable(folder)}' ({reason}); "
        "expected one that can be written: give another."
    )
