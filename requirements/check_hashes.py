"""Check that requirements/hashes.txt has the packages of requirements.txt, hashed."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)


def pins(text: str) -> dict[str, str]:
    """Return the version of each package, by its normalised name."""
    return {re.sub("[-_.]+", "-", n).lower(): v for n, v in PIN.findall(text)}


def problems(requirements: str, hashes: str) -> list[str]:
    """Return what is wrong, a line each; empty where the files agree."""
    wanted, locked = pins(requirements), pins(hashes)
    found = [
        f"{name}: {wanted.get(name)} in requirements.txt, {locked.get(name)} hashed"
        for name in sorted({*wanted, *locked})
        if wanted.get(name) != locked.get(name)
    ]
    # The text between a name and the next one holds its hashes.
    parts = re.split(r"^(?=[A-Za-z0-9])", hashes, flags=re.MULTILINE)
    for part in parts:
        name = PIN.match(part)
        if name and not re.search(r"--hash=sha256:[0-9a-f]{64}\b", part):
            found.append(f"{name[1]}: no SHA-256")
    return found


if __name__ == "__main__":
    wrong = problems(
        (HERE.parent / "requirements.txt").read_text(encoding="utf-8"),
        (HERE / "hashes.txt").read_text(encoding="utf-8"),
    )
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        sys.exit("requirements/hashes.txt is stale: run 'make lock'.")
