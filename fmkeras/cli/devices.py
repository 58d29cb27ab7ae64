"""Training on several devices of this machine: starts a process for each, and watches.

The first process prints and writes; the others are silent. Where one ends before its
time the rest are ended too, at once: they would wait for it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from fmkeras.cli.make_words import in_make_words
from fmkeras.cli.session import import_keras
from fmkeras.cli.terminal import suppress_native_logs
from fmkeras.errors import PeerLost, UserError
from fmkeras.process import signals
from fmkeras.process.launched import (
    is_one_of_several,
    is_supervised,
    process_environments,
    visible_gpus,
)

# A mistake of the user ends all processes alike: so long one waits for the first.
PATIENCE = 5.0
POLL = 0.05
# What a process returns that misses another one, without a message.
PEER_LOST = os.EX_UNAVAILABLE


def count_devices(backend: str, wanted: int | None) -> tuple[int, bool]:
    """Return how many devices train here, and whether they are GPUs.

    `wanted`, or without it all GPUs that the backend uses, or one. Raises `UserError`
    where there are fewer GPUs.
    """
    visible = len(visible_gpus())
    # A launcher has decided already; each of its processes has one device.
    if is_one_of_several(backend) or wanted == 1 or max(wanted or 0, visible) < 2:
        return 1, visible > 0
    gpus = _usable_gpus() if visible else 0
    if gpus and (wanted or 1) > gpus:
        raise UserError(
            f"There are not so many GPUs; expected --devices 1 to {gpus}. "
            f"Received: {wanted}"
        )
    return wanted or max(gpus, 1), gpus > 0


def train_on_devices(
    words: Sequence[str], backend: str, count: int, on_gpus: bool
) -> int:
    """Run the command `words` in a process for each device; return its exit code."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(signals.deferred())
        processes = []
        environments = process_environments(backend, count, on_gpus)
        for rank, variables in enumerate(environments):
            errors = stack.enter_context(tempfile.TemporaryFile()) if rank else None
            process = _start(words, variables, errors)
            stack.callback(_end, process)
            if not on_gpus:
                _keep_to_cores(process.pid, rank, count)
            processes.append(_Process(rank, process, errors))
        return _watch(processes)


@contextlib.contextmanager
def one_of_several(backend: str) -> Iterator[None]:
    """Join the other processes, if there are any, before anything is computed.

    Only the first prints. One that nobody watches tells itself that another is lost.
    """
    if not is_one_of_several(backend):
        yield
        return
    import_keras()
    from fmkeras.engines import parallel

    try:
        with contextlib.ExitStack() as stack:
            with signals.at_once(), suppress_native_logs():
                leads = parallel.join().leads
            signals.take_back()
            if not leads:
                nowhere = stack.enter_context(open(os.devnull, "w"))
                stack.enter_context(contextlib.redirect_stdout(nowhere))
            yield
    except PeerLost:
        if not is_supervised():
            raise
        raise SystemExit(PEER_LOST) from None


def _usable_gpus() -> int:
    """Ask the backend, in a process of its own, which gives the GPUs free again."""
    code = "from fmkeras.engines.device import num_gpus; print(num_gpus())"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    return int(answer.stdout) if answer.stdout.strip().isdecimal() else 0


@dataclass(frozen=True)
class _Process:
    rank: int
    process: subprocess.Popen
    errors: BinaryIO | None

    @property
    def code(self) -> int | None:
        return self.process.poll()

    @property
    def crashed(self) -> bool:
        """Whether it was killed, or ended by an error that is no user's."""
        return self.code is not None and (self.code < 0 or self.code == 1)

    def show_errors(self) -> None:
        if self.errors is not None:
            self.errors.seek(0)
            text = self.errors.read().decode(errors="replace")
            print(text, end="", file=sys.stderr, flush=True)


def _start(words, variables: dict, errors: BinaryIO | None) -> subprocess.Popen:
    environment = {**os.environ, **variables, signals.PARENT: str(os.getpid())}
    command = [sys.executable, "-m", "fmkeras", *words]
    if errors is None:
        return subprocess.Popen(command, env=environment)
    # In a session of its own: Ctrl-C in the terminal is for the first process, which
    # tells the others.
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _keep_to_cores(pid: int, rank: int, count: int) -> None:
    """Let a process use its share of the cores, so that none takes the others'."""
    cores = sorted(os.sched_getaffinity(0))
    each = len(cores) // count
    if each:
        os.sched_setaffinity(pid, cores[rank * each : (rank + 1) * each])


def _watch(processes: list[_Process]) -> int:
    """Return the command's exit code when all processes have ended."""
    passed_on = False
    while True:
        if signals.pending() is not None and not passed_on:
            processes[0].process.send_signal(signal.SIGTERM)
            passed_on = True
        codes = [one.code for one in processes]
        if any(codes):
            return _failed(processes)
        if all(code == 0 for code in codes):
            return 0
        time.sleep(POLL)


def _failed(processes: list[_Process]) -> int:
    """End what still runs, say why, and return the exit code."""
    first, until = processes[0], time.monotonic() + PATIENCE
    while first.code is None and not any(one.crashed for one in processes):
        # Interrupted, the first writes its checkpoint last.
        interrupted = any((one.code or 0) > 128 for one in processes)
        if time.monotonic() > until and not interrupted:
            break
        time.sleep(POLL)
    codes = [one.code for one in processes]
    # First those that a signal killed: the others may only have missed them.
    crashed = sorted((p for p in processes if p.crashed), key=lambda p: p.code)
    for one in processes:
        _end(one.process)
    if crashed:
        crashed[0].show_errors()
        print(_reason(crashed[0], len(processes)), file=sys.stderr)
        return PeerLost.exit_code
    if codes[0] not in (None, PEER_LOST):
        return codes[0]
    # Another process than the first has told what went wrong.
    told = [one for one in processes if one.code > 0 and one.code != PEER_LOST]
    for one in told[:1]:
        one.show_errors()
    return told[0].code if told else PeerLost.exit_code


def _reason(one: _Process, count: int) -> str:
    how = f"exit code {one.code}"
    if one.code < 0:
        how = signal.Signals(-one.code).name
    return in_make_words(
        f"fmkeras: A process of this training ended before its time; expected all "
        f"{count} to run until its end: the others were ended, and --resume last goes "
        f"on from the last checkpoint. Received: {how} of process {one.rank + 1}"
    )


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
