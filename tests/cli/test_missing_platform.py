"""A JAX_PLATFORMS left in the shell whose device is not here: one line, exit code 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ("--data", "garments", "--train-size", "300", "--test-size", "20")


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        ("cuda", ("fmkeras", "train", "--model", "linear", "--epochs", "1", *DATA)),
        (
            "tpu",
            (
                "fmkeras",
                "predict",
                ROOT / "docs/images/samples.png",
                "--model",
                ROOT / "saved_models/linear.keras",
            ),
        ),
        (
            "cuda",
            ("tuner", "search", "--model", "linear", "--epochs", "1", *DATA)
            + ("--trials", "1", "--name", "none"),
        ),
    ],
)
def test_a_platform_that_is_not_here_is_one_line(platform, words, tmp_path):
    environment = os.environ | {
        "JAX_PLATFORMS": platform,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert "jax finds no device of JAX_PLATFORMS; expected" in line, done.stderr
    assert line.endswith(f"Received: {platform!r}")
    assert "Traceback" not in done.stderr
