"""Processes that share a folder divide the work; killing one loses nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from fmkeras.experiments import divide as module
from fmkeras.experiments.divide import divide
from fmkeras.files.locks import locked

ROOT = Path(__file__).parents[2]
# Does six tasks of half a second: each appends the worker's name, then is done.
WORKER = """
import sys, time
from pathlib import Path
from fmkeras.experiments import divide as module

module.SECONDS_BETWEEN_LOOKS = 0.05
folder, name = Path(sys.argv[1]), sys.argv[2]

def work(task):
    with open(folder / f"{task}.begun", "a") as file:
        file.write(f"{name}\\n")
    time.sleep(0.5)
    (folder / f"{task}.done").write_text(name)

module.divide(
    range(6),
    is_done=lambda task: (folder / f"{task}.done").exists(),
    folder_of=lambda task: folder / str(task),
    work=work,
    what="a test",
)
"""


def start(folder, name):
    command = [sys.executable, "-c", WORKER, str(folder), name]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})


def begun(folder):
    return {p.stem: p.read_text().split() for p in sorted(folder.glob("*.begun"))}


def test_two_processes_do_each_task_once_between_them(tmp_path):
    workers = [start(tmp_path, name) for name in ("a", "b")]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    found = begun(tmp_path)
    assert len(found) == 6 and all(len(names) == 1 for names in found.values())
    assert {name for names in found.values() for name in names} == {"a", "b"}


def test_what_a_killed_process_was_at_is_done_by_another(tmp_path):
    killed = start(tmp_path, "killed")
    end = time.monotonic() + 60
    while not begun(tmp_path):
        assert time.monotonic() < end
        time.sleep(0.02)
    other = start(tmp_path, "other")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert other.wait(60) == 0
    assert len(list(tmp_path.glob("*.done"))) == 6
    found = begun(tmp_path)
    assert found["0"] == ["killed", "other"]
    assert all(names == ["other"] for task, names in found.items() if task != "0")


def test_a_task_that_stays_undone_is_tried_once(tmp_path):
    tried = []
    left = divide(
        "ab",
        is_done=lambda task: False,
        folder_of=lambda task: tmp_path / task,
        work=tried.append,
        what="a test",
    )
    assert (tried, left) == (["a", "b"], [])


def test_it_waits_for_others_until_the_time_is_up(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.01)
    looks, lines, tried = [], [], []
    with locked(tmp_path / "a", "another process"):
        left = divide(
            "ab",
            is_done=lambda task: task in tried,
            folder_of=lambda task: tmp_path / task,
            work=tried.append,
            what="a test",
            log=lines.append,
            is_over=lambda: looks.append(0) or len(looks) > 5,
        )
    assert (tried, left) == (["b"], ["a"])
    assert lines == ["Other processes are at work on the 1 that are left."]
