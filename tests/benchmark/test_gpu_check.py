"""The first check of a GPU: what is measured here decides each line as it should."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from fmkeras.__main__ import main
from fmkeras.benchmark.gpu_check import run as gpu_check
from fmkeras.benchmark.parity.run import TOLERANCES
from fmkeras.errors import UserError


@pytest.fixture
def measured(monkeypatch):
    """Stand in for the measurements, all good; what a test changes is found bad."""
    parity = dict.fromkeys(TOLERANCES, 0.0) | {"adam_rounding": 0.0, "name": "mlp"}
    parity |= {"parameters": 5, "expected_parameters": 5}
    device = {"name": "mlp", "exactness": 1e-6, "resume": 0.0}
    labels = [gpu_check.Competitor("ours", "torch"), gpu_check.Competitor("tensors")]
    rates = {label.label: {"median": 100.0} for label in labels}
    found = SimpleNamespace(parity=parity, device=device, rates=rates, code=0)

    def run(command, **options):
        text = json.dumps(found.device)
        return subprocess.CompletedProcess(command, found.code, text, "no such GPU")

    entries = {"models": {"mlp": {"train": rates}}}
    monkeypatch.setattr(
        gpu_check, "run_parity", lambda *a, **k: {"results": [found.parity]}
    )
    monkeypatch.setattr(gpu_check.subprocess, "run", run)
    monkeypatch.setattr(gpu_check, "run_benchmark", lambda *a, **k: entries)
    found.ours = labels[0].label
    return found


def lines(measured):
    checks = gpu_check.run_gpu_check("gpu", ["torch"], ["mlp"], lambda check: None)
    return {check.what: check for check in checks}


def test_what_is_good_is_said_to_be(measured, capsys):
    found = lines(measured)
    assert list(found) == ["parity", "exactness", "resume", "speed"]
    assert all(check.passed for check in found.values())
    assert "1.00 times a plain PyTorch loop" in found["speed"].figure
    words = ["gpu-check", "--backends", "torch", "--model", "mlp", "--device", "cpu"]
    assert main(words) == 0
    assert "4 checks, 0 failed." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("what", "change", "said"),
    [
        ("parity", lambda m: m.parity.update(gradients=1.0), "gradients 1.0e+00"),
        ("parity", lambda m: m.parity.update(parameters=6), "gradients"),
        ("exactness", lambda m: m.device.update(exactness=2e-4), "losses 2.0e-04"),
        ("exactness", lambda m: setattr(m, "code", 1), "no such GPU"),
        ("resume", lambda m: m.device.update(resume=1e-9), "differs by 1.0e-09"),
        ("speed", lambda m: m.rates.update({m.ours: {"median": 99.0}}), "0.99 times"),
        ("speed", lambda m: m.rates.pop(m.ours), "not measured"),
    ],
)
def test_what_is_bad_fails(measured, what, change, said, capsys):
    change(measured)
    check = lines(measured)[what]
    assert check.passed is False and said in check.figure
    assert "FAILED" in check.to_text()
    words = ["gpu-check", "--backends", "torch", "--model", "mlp", "--device", "cpu"]
    assert main(words) == 1
    assert " 1 failed." in capsys.readouterr().out


def test_what_cannot_be_measured_is_not_checked(measured, monkeypatch):
    monkeypatch.setattr(gpu_check.importlib.util, "find_spec", lambda name: None)
    found = lines(measured)
    assert [found[what].passed for what in ("parity", "speed")] == [None, None]
    assert "torch is not installed" in found["parity"].to_text()
    with pytest.raises(UserError, match="No backend is installed"):
        gpu_check.run_gpu_check()
