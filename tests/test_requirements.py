"""The pinned environments of a GPU can be installed: pip finds a solution."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "requirements").glob("*-cuda.txt"))


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_cuda_environment_resolves(path, tmp_path):
    command = [sys.executable, "-m", "pip"]
    probe = [
        *command,
        "download",
        "--no-deps",
        "-q",
        "-d",
        str(tmp_path),
        "six==1.17.0",
    ]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs a package index")
    answer = subprocess.run(
        [
            *command,
            "install",
            "--dry-run",
            "--ignore-installed",
            "--quiet",
            "--python-version=3.12",
            "--only-binary=:all:",
            f"--target={tmp_path}",
            "-r",
            str(path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
