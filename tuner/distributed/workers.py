"""The workers of one machine: each a process with its cores, started again if it dies.

KerasTuner's chief never replaces a worker that dies in the middle of a trial. One that
comes back under the same name gets that trial, which goes on from its last epoch.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.process.signals import PARENT, SIGNALS, Interrupted
from tuner.distributed.heartbeat import trial_of
from tuner.trials import files as trial_files

# So often may a worker die at one epoch of a trial; then the trial has failed.
DEATHS = 3


class Workers:
    """Starts workers, prints what they print, and tends them until all have ended."""

    def __init__(
        self, search: Path, address: str, names: list[str], arguments: list[str]
    ) -> None:
        """Take the chief's address and the further arguments of each worker."""
        self.search = search
        self.address = address
        self.names = names
        self.arguments = arguments
        self._processes: dict[str, subprocess.Popen] = {}
        self._readers: list[threading.Thread] = []
        # Of each worker, how far it was when it died last, and how often there.
        self._deaths: dict[str, tuple[tuple, int]] = {}

    def __enter__(self) -> "Workers":
        for name in self.names:
            self._start(name)
        return self

    def __exit__(self, *reason) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in self._readers:
            reader.join()

    def supervise(self) -> bool:
        """Start dead workers again; return whether any is left at work.

        Raises `UserError` where a worker cannot work at all.
        """
        for name, process in list(self._processes.items()):
            code = process.poll()
            if code is None:
                continue
            del self._processes[name]
            if code - 128 in SIGNALS:
                raise Interrupted(code - 128)
            if code == 2:
                raise UserError(
                    "A worker cannot work; expected it to: see its message above. "
                    f"Received: exit code 2 of {name}"
                )
            if code:
                self._note_death(name, code)
                self._start(name)
        return bool(self._processes)

    def _note_death(self, name: str, code: int) -> None:
        trial = trial_of(self.search, name)
        epochs = len(trial_files.read_history(self.search, trial)) if trial else 0
        place, count = self._deaths.get(name, (None, 0))
        count = count + 1 if place == (trial, epochs) else 1
        self._deaths[name] = ((trial, epochs), count)
        what = f"exit code {code}" if code > 0 else signal.Signals(-code).name
        print(f"[{name}] died ({what}); started again.", flush=True)
        if count < DEATHS:
            return
        if trial is None:
            raise UserError(
                f"A worker died {count} times before it had a trial; expected it to "
                f"work: see its messages above. Received: {what} of {name}"
            )
        reason = f"its process died {count} times at epoch {epochs + 1} ({what})"
        failed = {"state": trial_files.FAILED, "reason": reason}
        if trial_files.read_outcome(self.search, trial) is None:
            trial_files.write_outcome(self.search, trial, failed)

    def _start(self, name: str) -> None:
        cores = share_of_cores(self.names.index(name), len(self.names))
        count = str(len(cores))
        command = [sys.executable, "-m", "tuner", "worker", "--chief", self.address]
        command += ["--one", name, "--resume", str(self.search)]
        command += ["--cores", ",".join(map(str, cores)), *self.arguments]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={
                # Unless the user says otherwise.
                "OMP_NUM_THREADS": count,
                "TF_NUM_INTRAOP_THREADS": count,
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                PARENT: str(os.getpid()),
            },
        )
        self._processes[name] = process
        reader = threading.Thread(target=_print_lines, args=(name, process))
        reader.start()
        self._readers.append(reader)


def share_of_cores(number: int, count: int) -> list[int]:
    """Return the cores of one of `count` workers: all shared out, at least one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[number::count] or [cores[number % len(cores)]]


def run_workers(workers: Workers) -> None:
    """Tend the workers of a chief elsewhere until all have ended."""
    with workers:
        while workers.supervise():
            time.sleep(0.2)


def _print_lines(name: str, process: subprocess.Popen) -> None:
    with process.stdout as lines:
        for line in lines:
            print(f"[{name}] {line}", end="", flush=True)
