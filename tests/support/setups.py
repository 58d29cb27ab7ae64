"""A Python in miniature, to make environments of in no time, and what is in them.

Its venv is a folder with itself in bin/; its pip copies the named files in, slowly, and
says that it works as soon as the first of its own two files is there, as pip does.
"""

import os
import signal
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "requirements/make_venv.sh"
PYTHON = """#!/bin/sh
home=$(dirname "$(dirname "$0")")
case "$*" in
"-m venv "*)
    mkdir -p "$3/bin"; sleep 0.02; cp "$0" "$3/bin/python"
    touch "$3/pip-1"; sleep 0.02; touch "$3/pip-2" ;;
"-m pip --version") [ -e "$home/pip-1" ] ;;
"-m pip install "*)
    [ -e "$home/pip-2" ] || { echo "pip is not whole" >&2; exit 1; }
    for word; do
        case $word in packages/*)
            sleep "${PACE:-0.02}"; mkdir -p "$home/packages"; touch "$home/$word" ;;
        esac
    done ;;
esac
"""
PACKAGES = tuple(f"packages/{name}" for name in "abcd")


class Setup:
    """An environment in a folder of its own, and the command that makes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / "the venv"
        self.python = folder / "python in miniature"
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)

    def start(self, ready: str = ".ready", pace: str = "0.02") -> subprocess.Popen:
        """Begin to make or update it; `pace` seconds for each package."""
        words = [self.venv, self.python, self.venv / ready, *PACKAGES]
        return subprocess.Popen(
            ["sh", SCRIPT, *words],
            cwd=self.folder,
            env=os.environ | {"PACE": pace},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def kill(self, process: subprocess.Popen) -> None:
        """End it and its children, as a closed terminal or a full memory does."""
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def problems(self) -> list[str]:
        """What is missing or left over where the environment is ready."""
        wanted = ("bin/python", "pip-1", "pip-2", *PACKAGES)
        missing = [name for name in wanted if not (self.venv / name).exists()]
        left = [n for n in (".building", ".was-ready") if (self.venv / n).exists()]
        return missing + left
