"""A model and its card: two files that change together or not at all."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from fmkeras.files import flush_to_disk, make_folder, temporary_file
from fmkeras.files.locks import folder_locked


@contextlib.contextmanager
def replacing_pair(path: Path, take_lock: bool = True) -> Iterator[tuple[Path, Path]]:
    """Yield temporary paths of `NAME.keras` and of its card; move both into place.

    No system renames two files at once. So the new card is first put beside the old
    one, as `.NAME-next.json`; then the model takes its name, then the card. A reader
    takes whichever card describes the model that is there (`card_path`): killed at any
    point, both are the old ones or both the new ones. Writers take turns, by the lock
    of the folder; with `take_lock=False` the caller holds it.
    """
    make_folder(path.parent)
    card = path.with_suffix(".json")
    with temporary_file(path) as model_file, temporary_file(card) as card_file:
        yield model_file, card_file
        flush_to_disk(model_file)
        flush_to_disk(card_file)
        lock = folder_locked(path.parent) if take_lock else contextlib.nullcontext()
        with lock:
            _settle(path)
            os.replace(card_file, _next(path))
            flush_to_disk(path.parent)
            os.replace(model_file, path)
            flush_to_disk(path.parent)
            os.replace(_next(path), card)
            flush_to_disk(path.parent)


def card_path(path: Path, digest: str | None = None) -> Path:
    """Return where the card of a model lies: the one of the two that describes it.

    `digest` is the model's SHA-256, where it is known already.
    """
    card, following = path.with_suffix(".json"), _next(path)
    if following.exists() and path.exists():
        digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()
        if _described(following) == digest:
            return following
    return card


def _settle(path: Path) -> None:
    """End what a killed writer began: its card takes its name, or is removed."""
    following = _next(path)
    if following.exists():
        if card_path(path) == following:
            os.replace(following, path.with_suffix(".json"))
        else:
            following.unlink()


def _next(path: Path) -> Path:
    return path.with_name(f".{path.stem}-next.json")


def _described(card: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return json.loads(card.read_bytes()).get("sha256")
    return None
