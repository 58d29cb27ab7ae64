"""Writes that are whole or not there at all."""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fmkeras.errors import UserError

_NUMBERS = re.compile(r"\[\n\s*((?:-?\d[\d.e+-]*,?\s+)+)\]")


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place at a clean end.

    The temporary name keeps the suffix of `path`. When the block raises, the
    temporary file is removed and `path` is left as it was. Missing parent folders
    are made. Raises `UserError` where the folder cannot be written.
    """
    path = Path(path)
    make_folder(path.parent)
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        raise _not_writable(path.parent, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; give the result the usual permissions.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: str | os.PathLike) -> Path:
    """Make `folder` where it is missing and check that files can be made in it."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise _not_writable(folder, error) from error


def cache_folder(name: str) -> Path:
    """Return the folder for what can be made again, by the XDG convention."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "fmkeras" / name


def write_json(path: str | os.PathLike, content: object) -> None:
    """Write `content` as indented JSON, whole or not at all; numbers in rows."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    text = _NUMBERS.sub(lambda row: f"[{' '.join(row[1].split())}]", text)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n")


def _not_writable(folder: Path, error: OSError) -> UserError:
    reason = error.strerror or str(error)
    return UserError(
        f"Cannot write to the folder '{folder}' ({reason}); "
        "expected one that can be written: give another."
    )
