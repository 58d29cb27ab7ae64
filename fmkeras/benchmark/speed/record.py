"""The file of a measurement, written as it grows."""

import json
from collections.abc import Callable
from pathlib import Path

from fmkeras.errors import UserError

# What two descriptions of one machine have in common.
_SAME = ("processor", "gpu", "cores", "threads")


def load_or_create_record(
    path: Path, settings: dict, machine: dict, log: Callable[[str], None]
) -> dict:
    """Return the record that is there, if of the same settings, or a new one.

    `machine` is what it runs on now, as `describe_machine` says it: the rates of
    another machine do not stay beside those of this one, and `log` is told. Raises
    `UserError` where the record cannot be read.
    """
    fresh = {"settings": settings, "machine": machine, "models": {}}
    if not path.exists():
        return fresh
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["settings"] != settings:
            return fresh
        other = any(record["machine"].get(k) != machine.get(k) for k in _SAME)
        if other and record["models"]:
            log(f"'{path}' was made on another machine: all is measured anew")
        return fresh if other else record | {"machine": machine}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"Cannot read the record '{path}'; expected one that was written here: "
            f"delete it or give another path. Received: {error!r}"
        ) from error
