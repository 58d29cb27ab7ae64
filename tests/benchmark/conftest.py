"""No test here depends on what else the machine computes."""

import pytest

from fmkeras.benchmark.speed import machine


@pytest.fixture(autouse=True)
def free_machine(monkeypatch):
    monkeypatch.setattr(machine, "busy_cores", lambda: 0.0)
