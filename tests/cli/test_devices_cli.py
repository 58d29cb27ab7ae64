"""Training in two processes: interrupted, killed, gone on with by one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fmkeras.__main__ import main

ROOT = Path(__file__).parents[2]
BACKEND = os.environ["KERAS_BACKEND"]
EPOCHS = 20
TRAIN = ["train", "--model", "mlp", "--hidden-units", "16", "--data", "garments"]
TRAIN += ["--train-size", "300", "--test-size", "100"]
TRAIN += ["--batch-size", "7", "--flip", "--epochs", str(EPOCHS), "--save", "always"]


def slow_but_on_torch(test):
    """Mark a test that starts many processes: one backend is enough each day."""
    return test if BACKEND == "torch" else pytest.mark.slow(test)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def start(*words, until):
    """Start a command; return it when it has printed a line that matches `until`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fmkeras", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if re.match(until, line):
            return process
    raise AssertionError(process.stderr.read())


def end(process):
    """Return exit code, stdout and stderr, and the seconds that the end took."""
    began = time.monotonic()
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors, time.monotonic() - began


def children(process) -> list[int]:
    """Return the processes that a command has started, in their order."""
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return sorted(map(int, text.split()))


def record() -> dict:
    (path,) = Path("runs").glob("*/record.json")
    return json.loads(path.read_text())


def losses_of_one(folder, monkeypatch) -> list[float]:
    """Return the losses of the same training by one process that nothing stopped."""
    (folder / "alone").mkdir()
    monkeypatch.chdir(folder / "alone")
    assert main(TRAIN) == 0
    return record()["history"]["loss"]


@pytest.mark.slow
@pytest.mark.every_backend
@slow_but_on_torch
def test_two_devices_are_interrupted_killed_and_gone_on_with_by_one(
    folder, monkeypatch, capsys
):
    process = start(*TRAIN, "--devices", "2", until="Epoch +2/")
    process.send_signal(signal.SIGINT)
    code, output, errors, _ = end(process)
    assert code == 130 and "Interrupted. Kept up to epoch" in output
    assert errors == ""

    going_on = ["train", "--resume", "last", "--devices"]
    process = start(*going_on, "2", until="Epoch +[4-9]/")
    os.kill(children(process)[1], signal.SIGKILL)
    code, output, errors, seconds = end(process)
    assert code == 3 and seconds < 10
    assert errors.count("\n") == 1 and "SIGKILL of process 2" in errors

    assert main([*going_on, "1"]) == 0
    assert "devices 2" in capsys.readouterr().err
    history = record()["history"]
    assert len(history["loss"]) == EPOCHS
    wanted = losses_of_one(folder, monkeypatch)
    np.testing.assert_allclose(history["loss"], wanted, rtol=1e-4)


@pytest.mark.slow
def test_one_device_is_interrupted_and_gone_on_with_by_two(folder, monkeypatch):
    process = start(*TRAIN, until="Epoch +2/")
    process.send_signal(signal.SIGTERM)
    assert end(process)[0] == 143
    assert main(["train", "--resume", "last", "--devices", "2"]) == 0
    history = record()["history"]
    assert len(history["loss"]) == EPOCHS
    wanted = losses_of_one(folder, monkeypatch)
    np.testing.assert_allclose(history["loss"], wanted, rtol=1e-4)


def test_a_mistake_is_told_once(capfd):
    assert main(["train", "--model", "lenett", "--devices", "2"]) == 2
    errors = capfd.readouterr().err
    assert errors.count("\n") == 1 and "Unknown model" in errors
    assert not Path("runs").exists()
