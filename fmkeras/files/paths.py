"""Paths as a user writes them."""

import os
from pathlib import Path

from fmkeras.errors import UserError


def user_path(name: str | os.PathLike) -> Path:
    """Return a path with the home folder in place of `~` and `~user`.

    Raises `UserError` where there is no such home.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"There is no home folder of that user; expected the path itself: write it "
            f"out. Received: '{name}'"
        ) from error


def path_text(path: str | os.PathLike, what: str) -> str:
    """Return a name or a path as text; raise `UserError` for what is neither.

    `what` begins the message.
    """
    if isinstance(path, str | os.PathLike) and isinstance(text := os.fspath(path), str):
        return text
    raise UserError(
        f"{what} is of no use; expected a name or a path. "
        f"Received: {type(path).__name__}"
    )
