"""The cores that other processes keep busy: neither idle ones nor one's own."""

import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fmkeras.process import busy

LOOP = "print(flush=True)\nwhile True: pass"


def cpu_times(path, seconds):
    path.write_text(f"cpu  {seconds * 100} 0 0 999 999 0 0 0 0 0\ncpu0 1 1\n")


def test_ones_own_seconds_and_idle_ones_do_not_count(tmp_path, monkeypatch):
    path = tmp_path / "stat"
    monkeypatch.setattr(busy, "CPU_TIMES", path)
    monkeypatch.setattr(busy.os, "sysconf", lambda name: 100)
    own, now = [10.0, 0.0, 0.0, 0.0, 99.0], [0.0]
    monkeypatch.setattr(busy.os, "times", lambda: tuple(own))
    monkeypatch.setattr(busy.time, "perf_counter", lambda: now[0])
    cpu_times(path, 1_000)
    others = busy.OtherProcesses()
    # Of ten seconds on two cores this process and a child had twelve, others five.
    own[0], own[2], now[0] = 20.0, 2.0, 10.0
    cpu_times(path, 1_017)
    assert others.busy_cores() == pytest.approx(0.5)
    path.unlink()
    assert math.isnan(others.busy_cores())


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs Linux")
def test_another_process_is_seen():
    with subprocess.Popen(
        [sys.executable, "-c", LOOP], stdout=subprocess.PIPE
    ) as other:
        try:
            other.stdout.readline()
            seen = []
            for _ in range(10):
                others = busy.OtherProcesses()
                time.sleep(0.3)
                seen.append(others.busy_cores())
                if max(seen) > 0.3:
                    break
        finally:
            other.kill()
    assert max(seen) > 0.3
