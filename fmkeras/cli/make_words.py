"""Messages in the words of make, for those who called the program by it."""

import os
import re
import shlex
import sys
from pathlib import Path

# The Makefile's variable of each flag.
VARIABLES = {
    "model": "MODEL",
    "models": "MODELS",
    "data": "DATA",
    "data-dir": "DATA_DIR",
    "recipe": "RECIPE",
    "epochs": "EPOCHS",
    "batch-size": "BATCH",
    "learning-rate": "LR",
    "optimizer": "OPTIMIZER",
    "precision": "PRECISION",
    "seed": "SEED",
    "seeds": "SEEDS",
    "backend": "BACKEND",
    "backends": "BACKENDS",
    "pixels": "PIXELS",
    "limit": "LIMIT",
    "name": "NAME",
    "space": "SPACE",
    "search": "SEARCH",
    "trials": "TRIALS",
    "workers": "WORKERS",
    "resume": "RESUME",
    "device": "DEVICE",
    "devices": "DEVICES",
    "figure": "FIGURE",
    "minutes": "MINUTES",
    "run": "RUN",
    "goal": "GOAL",
    "port": "PORT",
    "chief": "CHIEF",
}
# Targets that are a command of a command.
TARGETS = {f"tune-{name}": ["tune", name] for name in ("chief", "worker", "export")}


def used_by_make() -> bool:
    """Whether the Makefile started this process."""
    return os.environ.get("FMKERAS_USED_BY") == "make"


def in_own_words(command: str) -> str:
    """Return a command of make as one of fmkeras, where that program was called.

    It may stand where there is no Makefile; `python -m` stands in the checkout.
    """
    called = Path(sys.argv[0]).name == "fmkeras"
    called = called or os.environ.get("FMKERAS_USED_BY") == "fmkeras"
    if used_by_make() or not called or not command.startswith("make "):
        return command
    flags = {variable: f"--{flag}" for flag, variable in VARIABLES.items()}
    target, *given = shlex.split(command)[1:]
    words = ["fmkeras", *TARGETS.get(target, [target])]
    for word in given:
        variable, equals, value = word.partition("=")
        if variable == "ARGS":
            words += shlex.split(value)
        elif equals and variable in flags:
            words += [flags[variable], value]
        else:
            words.append(word)
    return shlex.join(words)


def in_make_words(message: str) -> str:
    """Return a message with make's variables in place of flags, where make is used."""
    if not used_by_make():
        return message
    # Where both are told, '--pixels 0..1 (make: PIXELS=0..1)', make's is enough.
    message = re.sub(r"--[a-z][a-z-]*(?: [^\s(]+)? \(make: ([^)]*)\)", r"\1", message)
    message = re.sub(r"; see \w+ ([\w-]+) --help", r"; see make help", message)

    def variable(flag: re.Match) -> str:
        return VARIABLES.get(flag[1], flag[0])

    return re.sub(r"--([a-z][a-z-]*)(?:/--[a-z-]+)*", variable, message)
