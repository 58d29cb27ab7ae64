import shutil
import subprocess
from pathlib import Path

import pytest

from fmkeras import provenance

PACKAGE = Path(provenance.__file__).parent


@pytest.mark.parametrize(
    ("changed", "dirty"),
    [
        (None, False),
        ("fmkeras/labels.py", True),
        ("tuner/__init__.py", True),
        ("requirements.txt", True),
        ("tuner/new.py", True),
        ("README.md", False),
    ],
)
def test_a_commit_is_dirty_where_any_code_was_changed(
    tmp_path, monkeypatch, changed, dirty
):
    def git(*words):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    for name in ("fmkeras", "tuner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    for name in ("provenance.py", "labels.py"):
        shutil.copy(PACKAGE / name, tmp_path / "fmkeras")
    for name in ("requirements.txt", "README.md"):
        (tmp_path / name).touch()
    git("init")
    git("add", ".")
    git("commit", "-m", "First")
    if changed:
        (tmp_path / changed).write_text("# changed\n")
    file = str(tmp_path / "fmkeras" / "provenance.py")
    monkeypatch.setattr(provenance, "__file__", file)
    provenance.commit.cache_clear()
    commit = provenance.commit()
    provenance.commit.cache_clear()
    assert len(commit.removesuffix("-dirty")) == 40
    assert commit.endswith("-dirty") == dirty


def test_a_command_tells_no_folders_of_this_machine(monkeypatch):
    words = ["fmkeras", "benchmark", "--json", "/home/ann/b.json", "--data-dir=/data/x"]
    words += ["--out", "../mine"]
    monkeypatch.setattr(provenance.sys, "argv", [*words, "--model", "runs/a.keras"])
    told = (
        "fmkeras benchmark --json b.json --data-dir=x --out mine --model runs/a.keras"
    )
    assert provenance.command_line() == told
