"""Start a command of the project in a process of its own, and end it by a signal."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
BACKENDS = ("torch", "tensorflow", "jax")
# SIGKILL cannot be heeded; what is heeded ends a command with 128 and its number.
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Seconds after which a command hangs.
HANGS = 600.0
# Weakly: one that nobody waits for any more has ended.
_running: weakref.WeakSet[subprocess.Popen] = weakref.WeakSet()
GARMENTS = ("--data", "garments", "--train-size", "1500", "--test-size", "200")


@dataclass
class Outcome:
    """How a command ended: exit code, all that it printed, whether a signal met it.

    `begun` says whether its own code had begun by then: until Python gets there, a
    signal ends it as it ends any program.
    """

    code: int
    text: str
    signalled: bool = False
    begun: bool = True
    seconds: float = 0.0


@dataclass
class Tally:
    """What was tried, and what went wrong, one line each."""

    kills: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def count(self, name: str, by: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by

    def check(self, right: bool, text: str) -> None:
        """Note a failure unless `right`."""
        if not right:
            self.failures.append(text)
            print(f"FAILED: {text}", flush=True)

    def kill(self, number: int, moment: str) -> None:
        name = signal.Signals(number).name
        self.kills[name] = self.kills.get(name, 0) + 1
        self.count(f"kills {moment}")


def heed_signals() -> None:
    """Let commands heed signals that this process was started to ignore.

    nohup ignores SIGHUP, a shell's `&` SIGINT, and children inherit that. One that
    is not ignored ends this process and all that it started.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)
        else:
            signal.signal(number, _end_all)


def _end_all(number: int, frame) -> None:
    for process in list(_running):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    os._exit(128 + number)


def start(words: list[str], backend: str, program: str = "fmkeras", cwd: Path = ROOT):
    """Begin a command in the folder `cwd`; its output goes to a pipe."""
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
    }
    for name in ("FMKERAS_USED_BY", "FMKERAS_PARENT"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-m", program, *words],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Signals go to the command alone; it has to end its children itself.
        start_new_session=True,
    )
    _running.add(process)
    return process


def run(
    words: list[str], backend: str, program: str = "fmkeras", cwd: Path = ROOT
) -> Outcome:
    """Run a command to its end."""
    began = time.monotonic()
    process = start(words, backend, program, cwd)
    return _ended(process, began)


def run_and_signal(
    words: list[str],
    backend: str,
    number: int,
    is_time: Callable[[float], bool],
    program: str = "fmkeras",
    cwd: Path = ROOT,
) -> Outcome:
    """Run a command and send it a signal as soon as `is_time(seconds)` holds."""
    began = time.monotonic()
    process = start(words, backend, program, cwd)
    sent = False
    begun = True
    while process.poll() is None:
        if is_time(time.monotonic() - began):
            begun = _is_begun(process.pid)
            process.send_signal(number)
            sent = True
            break
        time.sleep(0.002)
    outcome = _ended(process, began)
    outcome.begun = begun
    # It may have come to its end before the signal did.
    outcome.signalled = sent and outcome.code != 0
    return outcome


def check_ending(
    outcome: Outcome, number: int, what: str, tally: Tally, done: str = "\0"
) -> None:
    """Check exit code and words of a command that a signal ended.

    Where it has printed `done`, its work was over: the signal may then end it as it
    ends any program.
    """
    expected = {-number if number == signal.SIGKILL else 128 + number}
    if done in outcome.text or not outcome.begun:
        expected.add(-number)
    tally.check(
        outcome.code in expected,
        f"{what}: exit code {outcome.code}, not {expected}: {outcome.text[-300:]!r}",
    )
    if outcome.begun:
        text = outcome.text[-600:]
        tally.check("Traceback" not in outcome.text, f"{what}: traceback: {text!r}")


def after(seconds: float) -> Callable[[float], bool]:
    """Return the moment so many seconds after the start."""
    return lambda passed: passed >= seconds


def when_writing(folder: Path, suffix: str, skip: int) -> Callable[[float], bool]:
    """Return the moment when a file of `suffix` is being written, the `skip`-th later.

    Files are written beside their place, under a name that ends in '-partial'; those
    that are there now were left by a command that was killed.
    """

    def partial() -> set[str]:
        return {path.name for path in folder.rglob(f".*-partial{suffix}")}

    before, seen = partial(), set()

    def is_time(passed: float) -> bool:
        seen.update(partial() - before)
        return len(seen) > skip

    return is_time


def fresh(folder: Path) -> Path:
    """Return an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def random_signal(generator: random.Random) -> int:
    return generator.choice(SIGNALS)


def _is_begun(pid: int) -> bool:
    """Whether a command catches SIGHUP, which its own code does first of all."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (signal.SIGHUP - 1) & 1)


def _ended(process: subprocess.Popen, began: float) -> Outcome:
    try:
        text, _ = process.communicate(timeout=HANGS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        text += f"\nHUNG for {HANGS:.0f} seconds"
    return Outcome(process.returncode, text, seconds=time.monotonic() - began)
