"""The images of README and docs: each names the figures it shows, inside its file.

A PNG holds, as text under `KEY`, the digests of the cards and records that it was drawn
from, so that a test can tell an image that is older than they are.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from fmkeras.files import replacing
from fmkeras.records import SAVED_MODELS

KEY = "fmkeras sources"
# What an image may show of a card; the rest of it may change.
_SHOWN = ("count", "accuracy", "loss", "confusion_matrix")


def stamp(path: Path, models: Iterable[str] = (), records: Iterable[Path] = ()) -> None:
    """Write into a PNG which saved models and records it shows.

    Saved models are looked up under the working directory; the records' paths are
    kept relative to the image.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    sources = {f"model {name}": card_digest(Path("."), name) for name in models}
    for record in records:
        name = Path(os.path.relpath(record, path.parent)).as_posix()
        sources[f"record {name}"] = record_digest(record)
    text = PngInfo()
    text.add_text(KEY, json.dumps(sources))
    with Image.open(path) as image, replacing(path) as temporary:
        image.load()
        image.save(temporary, format="PNG", optimize=True, pnginfo=text)


def sources_of(path: Path) -> dict[str, str]:
    """Return the digests that an image was stamped with; none where it was not."""
    from PIL import Image

    with Image.open(path) as image:
        return json.loads(image.text.get(KEY, "{}"))


def changed_sources(path: Path, root: Path = Path(".")) -> list[str]:
    """Return which models and records have changed since an image was made."""
    changed = []
    for source, digest in sources_of(path).items():
        kind, _, name = source.partition(" ")
        if kind == "model":
            now = card_digest(root, name)
        else:
            now = record_digest(path.parent / name)
        if now != digest:
            changed.append(source)
    return changed


def card_digest(root: Path, name: str) -> str:
    """Return a digest of the figures in the card of a saved model; '' without one."""
    path = root / SAVED_MODELS / f"{name}.json"
    if not path.exists():
        return ""
    card = json.loads(path.read_text(encoding="utf-8"))
    test = {key: card["test"].get(key) for key in _SHOWN}
    return _digest({"parameters": card["parameters"], "test": test})


def record_digest(path: Path) -> str:
    """Return a digest of what a record holds; '' where there is none."""
    return (
        _digest(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else ""
    )


def _digest(content) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
