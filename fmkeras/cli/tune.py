"""The command tune: the tuner's own, in a process of its own."""

import os
import sys
from pathlib import Path

from fmkeras.process.signals import SIGNALS, Interrupted, run_child

COMMANDS = ("search", "chief", "worker", "export")
PACKAGES = Path(__file__).resolve().parents[2]
_SIGNALLED = {128 + number for number in SIGNALS}


def add_commands(add) -> None:
    """Declare tune, whose flags the tuner knows; `add(name, run, text)`."""
    add("tune", lambda args: tune([]), "search for recipes with KerasTuner")


def tune(words: list[str]) -> int:
    """Run a command of the tuner, search where none is named; return its exit code.

    `fmkeras` never imports the tuner, which stands on it.
    """
    if words[:1] not in ([command] for command in COMMANDS):
        words = ["search", *words] if words else ["--help"]
    # The tuner that belongs to this package, whatever lies in the working folder.
    paths = [str(PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    if Path(sys.argv[0]).name == "fmkeras":
        # The commands that the tuner prints are in the words of who called.
        environment.setdefault("FMKERAS_USED_BY", "fmkeras")
    code = run_child([sys.executable, "-P", "-m", "tuner", *words], env=environment)
    if code in _SIGNALLED:
        raise Interrupted(code - 128)
    return code
