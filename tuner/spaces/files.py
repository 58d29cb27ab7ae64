"""A user's own space, as a JSON file or a small Python file."""

import os
import stat
from pathlib import Path

from fmkeras.errors import UserError, did_you_mean, shown_value
from fmkeras.files.reading import open_regular, read_json
from tuner.spaces.builtin import NAMES, built_in_space
from tuner.spaces.space import Hyperparameter, Space

LARGEST = 1 << 20
_KEYS = {"values", "min", "max", "sampling", "when"}
_FORM = "{'hyperparameters': {'batch_size': [32, 64], ...}, 'recipe': {...}}"


def find_space(name_or_path: str, model_name: str, run_code: bool = False) -> Space:
    """Return a space by name, or from a .json or .py file.

    A .py file is run: one of another user's, or that others may change, with `run_code`
    alone. Either holds `hyperparameters`, a list of values or {'min', 'max',
    'sampling', 'when'} for each, and may hold `recipe`: fields in which the network's
    default recipe is changed. Raises `UserError` for an unknown name or a bad file.
    """
    space = built_in_space(name_or_path, model_name)
    if space is not None:
        return space
    path = Path(name_or_path)
    if path.suffix not in (".json", ".py"):
        raise UserError(
            f"Unknown space; expected one of: {', '.join(NAMES)}, or the path of a "
            f".json or .py file.{did_you_mean(name_or_path, NAMES)} "
            f"Received: {name_or_path!r}"
        )
    content = _read(path, run_code)
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


def _read(path: Path, run_code: bool) -> dict:
    try:
        if path.suffix == ".py":
            code = _code_of(path, run_code)
            print(f"The space file '{path}' is a program; it is run.", flush=True)
            names: dict = {"__file__": str(path), "__name__": "<run_path>"}
            exec(compile(code, str(path), "exec"), names)
            return names
        content = read_json(path, largest=LARGEST)
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


def _code_of(path: Path, run_code: bool) -> bytes:
    """Return a space's code; raise `UserError` where it may be anybody's."""
    with open_regular(path, LARGEST) as file:
        told = os.fstat(file.fileno())
        code = file.read()
    own = told.st_uid == os.geteuid() and not told.st_mode & stat.S_IWOTH
    if not own and not run_code:
        why = "is another user's"
        if told.st_uid == os.geteuid():
            why = "may be changed by any user"
        raise _bad(
            path,
            f"is a program, which would be run, and {why}; expected a .json file, or "
            "one of your own: read it, then give --run-space-code (make: "
            "ARGS=--run-space-code)",
        )
    return code


def _hyperparameter(path: Path, name: str, content) -> Hyperparameter:
    if isinstance(content, list | tuple):
        content = {"values": content}
    if not isinstance(content, dict) or not set(content) <= _KEYS:
        raise _bad(
            path,
            f"has a bad {name:.80}; expected a list of values, or some of "
            f"{', '.join(sorted(_KEYS))}. Received: {shown_value(content)}",
        )
    values = content.get("values", ())
    when = content.get("when", {})
    if not isinstance(values, list | tuple) or not isinstance(when, dict):
        raise _bad(
            path,
            f"has a bad {name:.80}; expected lists. Received: {shown_value(content)}",
        )
    if "values" in content and not values:
        raise _bad(path, f"has no values for {name:.80}; expected at least one")
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
