"""The models of this repository: whole, described by their cards, and not too large."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LARGEST_TOGETHER = 60_000_000
CARDS = sorted((ROOT / "saved_models").glob("*.json"))


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_a_card_describes_its_file(path):
    card = json.loads(path.read_text())
    file = path.with_suffix(".keras")
    if card["file"] is None:
        assert not file.exists() and card["remake"].startswith("make zoo MODELS=")
        return
    content = file.read_bytes()
    assert (file.name, len(content)) == (card["file"], card["bytes"])
    assert hashlib.sha256(content).hexdigest() == card["sha256"]


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_what_is_committed_is_no_larger_than_a_clone_may_be():
    command = ["git", "ls-files", "-z", "saved_models"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    names = [name for name in answer.stdout.split("\0") if name]
    if answer.returncode or not names:
        pytest.skip("needs a checkout of git")
    sizes = {name: (ROOT / name).stat().st_size for name in names}
    assert sum(sizes.values()) < LARGEST_TOGETHER, sorted(sizes, key=sizes.get)[-5:]
