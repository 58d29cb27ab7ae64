"""What a record says of how it came about: command, commit, versions, time."""

import datetime
import functools
import importlib.metadata
import platform
import shlex
import subprocess
import sys
from pathlib import Path

CODE = ("fmkeras", "tuner", "requirements.txt", "requirements", "pyproject.toml")
PACKAGES = ("keras", "torch", "tensorflow", "jax", "numpy")


def provenance() -> dict:
    """Return command, commit, versions, platform and time (UTC), as JSON knows them."""
    return {
        "command": command_line(),
        "commit": commit(),
        "versions": versions(),
        "platform": platform.platform(),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def command_line() -> str:
    """Return the command that runs, as one would type it.

    Paths from elsewhere are shortened: records are published, and where a person's
    files lie is theirs.
    """
    program = Path(sys.argv[0])
    words = ["fmkeras"] if program.name == "fmkeras" else ["python", program.name]
    if program.name == "__main__.py":
        words = ["python", "-m", program.parent.name]
    return shlex.join([*words, *map(without_folder, sys.argv[1:])])


def without_folder(word: str) -> str:
    """Return a word of a command, with the last part alone of a path from elsewhere.

    Elsewhere is an absolute path, or one that leaves the folder that one works in.
    """
    flag, sign, value = word.partition("=") if word.startswith("--") else ("", "", word)
    path = Path(value)
    elsewhere = path.is_absolute() or ".." in path.parts
    return f"{flag}{sign}{path.name if elsewhere else value}"


@functools.cache
def commit() -> str | None:
    """Return the commit of this checkout, with '-dirty' where code was changed.

    As it was when the process first asked, for that is the code it runs. Code is all
    that a figure can depend on: fmkeras, tuner and the pinned versions, new files too.
    None where the package does not lie in a git checkout of its own.
    """
    package = Path(__file__).resolve().parent
    tracked = _git(package, "ls-files", "--error-unmatch", Path(__file__).name)
    head = _git(package, "rev-parse", "HEAD")
    if tracked is None or head is None:
        return None
    changed = _git(package.parent, "status", "--porcelain", "--", *CODE)
    return f"{head}-dirty" if changed else head


def versions() -> dict[str, str]:
    """Return the version of Python and of each package that figures depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *words: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
