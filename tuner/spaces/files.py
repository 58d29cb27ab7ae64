"""A user's own space, as a JSON file or a small Python file."""

import json
import runpy
from pathlib import Path

from fmkeras.errors import UserError
from tuner.spaces.builtin import NAMES, built_in_space
from tuner.spaces.space import Hyperparameter, Space

_KEYS = {"values", "min", "max", "sampling", "when"}
_FORM = "{'hyperparameters': {'batch_size': [32, 64], ...}, 'recipe': {...}}"


def find_space(name_or_path: str, model_name: str) -> Space:
    """Return a space by name, or from a .json or .py file.

    Either holds `hyperparameters`, a list of values or {'min', 'max', 'sampling',
    'when'} for each, and may hold `recipe`: fields in which the network's default
    recipe is changed. Raises `UserError` for an unknown name or a bad file.
    """
    space = built_in_space(name_or_path, model_name)
    if space is not None:
        return space
    path = Path(name_or_path)
    if path.suffix not in (".json", ".py"):
        raise UserError(
            f"Unknown space; expected one of: {', '.join(NAMES)}, or the path of a "
            f".json or .py file. Received: {name_or_path!r}"
        )
    content = _read(path)
    hyperparameters = content.get("hyperparameters")
    changes = content.get("recipe", {})
    if not isinstance(hyperparameters, dict) or not isinstance(changes, dict):
        raise _bad(path, f"has another form; expected {_FORM}")
    return Space(
        path.stem, read_hyperparameters(path, hyperparameters), changes=changes
    )


def read_hyperparameters(path: Path, content: dict) -> tuple[Hyperparameter, ...]:
    """Return those that a file describes; raise `UserError` for a bad one."""
    return tuple(_hyperparameter(path, *item) for item in content.items())


def _read(path: Path) -> dict:
    try:
        if path.suffix == ".py":
            path.read_bytes()
            return runpy.run_path(str(path))
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _bad(
            path, f"cannot be read ({error.strerror}); check the path"
        ) from error
    except UserError:
        raise
    except Exception as error:  # Whatever the user's own Python raises.
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise _bad(path, f"does not work ({reason}); mend it") from error
    if not isinstance(content, dict):
        raise _bad(path, f"has another form; expected {_FORM}")
    unknown = sorted(set(content) - {"hyperparameters", "recipe"})
    if unknown:
        raise _bad(path, f"holds unknown keys; expected {_FORM}. Received: {unknown}")
    return content


def _hyperparameter(path: Path, name: str, content) -> Hyperparameter:
    if isinstance(content, list | tuple):
        content = {"values": content}
    if not isinstance(content, dict) or not set(content) <= _KEYS:
        raise _bad(
            path,
            f"has a bad {name}; expected a list of values, or some of "
            f"{', '.join(sorted(_KEYS))}. Received: {content!r}",
        )
    values = content.get("values", ())
    when = content.get("when", {})
    if not isinstance(values, list | tuple) or not isinstance(when, dict):
        raise _bad(path, f"has a bad {name}; expected lists. Received: {content!r}")
    if "values" in content and not values:
        raise _bad(path, f"has no values for {name}; expected at least one")
    return Hyperparameter(
        name,
        tuple(tuple(v) if isinstance(v, list) else v for v in values),
        content.get("min"),
        content.get("max"),
        content.get("sampling", "linear"),
        {
            parent: tuple(allowed if isinstance(allowed, list | tuple) else [allowed])
            for parent, allowed in when.items()
        },
    )


def _bad(path: Path, what: str) -> UserError:
    return UserError(f"The space file '{path}' {what}.")
