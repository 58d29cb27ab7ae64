"""The file of a measurement, written as it grows."""

import json
from pathlib import Path

from fmkeras.errors import UserError


def load_or_create_record(path: Path, settings: dict) -> dict:
    """Return the record that is there, if of the same settings, or a new one.

    Raises `UserError` where it cannot be read.
    """
    fresh = {"settings": settings, "machine": {}, "models": {}}
    if not path.exists():
        return fresh
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record if record["settings"] == settings else fresh
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"Cannot read the record '{path}'; expected one that was written here: "
            f"delete it or give another path. Received: {error!r}"
        ) from error
