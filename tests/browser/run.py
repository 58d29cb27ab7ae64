"""Run the tests of the report's pages in Debian's chromium, installed if it is absent.

Exits with 2 where there is no chromium and it cannot be installed.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("chromium", "chromedriver")
PACKAGES = ("chromium", "chromium-driver", "fonts-dejavu-core")
ADVICE = (
    "The pages are tested in Debian's chromium; expected the programs chromium and "
    f"chromedriver: install them as root with 'apt-get install {' '.join(PACKAGES)}'."
)


def missing() -> list[str]:
    """Return the programs that are not there."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def install() -> bool:
    """Install chromium with apt-get, as root; say whether it is there now."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print("Installing chromium with apt-get.", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (
        ["update", "-qq"],
        ["install", "-qq", "-y", "--no-install-recommends", *PACKAGES],
    ):
        answer = subprocess.run(
            ["apt-get", *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if answer.returncode:
            print(answer.stdout, file=sys.stderr)
            return False
    return not missing()


def main() -> int:
    if missing() and not install():
        absent = ", ".join(missing())
        print(f"make: {ADVICE} Received: no {absent}", file=sys.stderr)
        return 2
    environment = os.environ | {"MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "browser", "--timeout=600"]
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
