"""The errors that end a command in one line, and which of others mean the same."""

import difflib
import os
import re
import traceback
from collections.abc import Iterable

# Characters of a value in a message.
LONGEST = 100
# How PyTorch, TensorFlow, JAX, their GPU libraries and NumPy say it.
_NO_MEMORY = re.compile(
    "out of memory|can't allocate memory|cannot allocate memory|not enough memory|"
    "unable to allocate|failed to allocate|oom when allocating|resource_?exhausted|"
    "status_alloc_failed|bad_alloc",
    re.IGNORECASE,
)


class UserError(ValueError):
    """What was wrong, what was expected and what to do, in one line.

    The command line prints the message without a traceback and exits with `exit_code`.
    """

    exit_code = 2


class CannotWrite(UserError):
    """A file or folder that cannot be written, or for which there is no room."""


class Diverged(UserError):
    """A training whose loss is no longer a finite number."""

    exit_code = 3


class OutOfMemory(UserError):
    """Work that does not fit the memory of the machine or the device."""

    exit_code = 3


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error of any library means that memory was too small.

    The backends have no type in common; some wrap the error of another in their own.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, MemoryError | OutOfMemory):
            return True
        if isinstance(error, UserError):
            return False
        names = " ".join(kind.__name__ for kind in type(error).__mro__)
        if re.search("OutOfMemory|ResourceExhausted", names):
            return True
        library = isinstance(error, RuntimeError) or "Error" not in names
        if (library or "InternalError" in names) and _NO_MEMORY.search(str(error)):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def is_missing_platform(error: BaseException) -> bool:
    """Say whether jax found no device of the kind that `JAX_PLATFORMS` names.

    What it raises then has no type of its own, and for cuda no text either.
    """
    if "JAX_PLATFORMS" not in os.environ:
        return False
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and os.path.basename(frames[-1].filename) == "xla_bridge.py"


class PeerLost(UserError):
    """A training on several devices, one of whose processes is gone."""

    exit_code = 3

    def __init__(self, reason: str) -> None:
        reason = (reason.strip().splitlines() or ["no answer"])[0]
        super().__init__(
            "Another process of this training ended or cannot be reached; expected all "
            "of them to run until its end: go on with --resume and the folder of the "
            f"run. Received: {reason}"
        )


def shown_value(value: object) -> str:
    """Return a value that was received as a message has it: a part of a long one."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no whole number of over 4,300 digits.
        return "a whole number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def unknown(what: str, name: object, known: Iterable[str]) -> UserError:
    """Return what to say of a name that is none of those `known`."""
    known = list(known)
    return UserError(
        f"Unknown {what}; expected one of: {', '.join(known)}."
        f"{did_you_mean(name, known)} Received: {name!r}"
    )


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return ` Did you mean X?` for a message, or nothing where no name is close."""
    small = {one.lower(): one for one in known}
    close = difflib.get_close_matches(str(name).lower(), small, n=1)
    return f" Did you mean {small[close[0]]}?" if close else ""
