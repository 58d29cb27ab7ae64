"""The pinned packages and their hashes; the making of an environment."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "requirements" / "make_venv.sh"


def load_checker():
    path = ROOT / "requirements" / "check_hashes.py"
    spec = importlib.util.spec_from_file_location("check_hashes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_package_has_its_hash():
    requirements = (ROOT / "requirements.txt").read_text()
    hashes = (ROOT / "requirements" / "hashes.txt").read_text()
    assert len(load_checker().pins(requirements)) > 50
    assert load_checker().problems(requirements, hashes) == []


@pytest.mark.parametrize(
    ("hashes", "told"),
    [
        ("", "a-b: 1.0 in requirements.txt, None"),
        ("a-b==2.0 \\\n    --hash=sha256:" + 64 * "0", "a-b: 1.0 in requirements.txt"),
        ("a-b==1.0\n", "a-b: no SHA-256"),
        ("a-b==1.0 \\\n    --hash=sha256:" + 63 * "0", "a-b: no SHA-256"),
    ],
)
def test_a_package_without_its_hash_is_told(hashes, told):
    (problem,) = load_checker().problems("A_b==1.0\n", hashes)
    assert problem.startswith(told)


def make_venv(folder):
    (folder / "none.txt").touch()
    command = ["sh", str(SCRIPT), "env", sys.executable, "env/.ready", "-r", "none.txt"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def test_environments_are_made_one_at_a_time_and_never_left_half_made(tmp_path):
    killed = make_venv(tmp_path)
    while not (tmp_path / "env" / "pyvenv.cfg").exists():
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "env" / ".ready").exists()

    first = make_venv(tmp_path)
    assert first.stdout.readline() == "Making env: a few minutes, once.\n"
    second = make_venv(tmp_path)
    said = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert said == ["", "Another make is at work on env; waiting for it.\n"]
    pip = [tmp_path / "env" / "bin" / "python", "-m", "pip", "--version"]
    assert subprocess.run(pip, capture_output=True).returncode == 0
    assert not (tmp_path / "env" / ".building").exists()
