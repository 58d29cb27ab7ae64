"""SIGINT, SIGTERM and SIGHUP end a command in the same way, and none is lost.

A handler that raises can be lost (in a callback of the collector, in an import whose
errors are caught) and can end C++ code with a crash. So there are three ways to heed a
signal: raise, where nothing else is said; exit at once, while nothing can be lost; and
a flag that is read between the steps of long work.
"""

import contextlib
import ctypes
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# One Ctrl-C can arrive twice: from the terminal and from a parent that passes it on.
SAME_SIGNAL_SECONDS = 0.5
PARENT = "FMKERAS_PARENT"
_PR_SET_PDEATHSIG = 1


class Interrupted(KeyboardInterrupt):
    """A signal that ends the command; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Mode:
    """How signals are heeded: raise, at once, or deferred; `say` is told at once."""

    def __init__(self, name: str, say: Callable[[], str] = str) -> None:
        self.name = name
        self.say = say

    def defer(self) -> None:
        """From now on let a signal wait for `check` or the end of the block."""
        self.name = "deferred"


class _State:
    """What has arrived, and how signals are heeded: the last of `modes` holds."""

    def __init__(self) -> None:
        self.modes: list[Mode] = []
        self.number: int | None = None
        self.raised = False
        self.first_time = 0.0
        # Signals that `_send_again` has sent and `_watch` has not yet seen.
        self.resent = 0
        # With `agreeing`: only a signal that all processes know of is heeded.
        self.agreeing = False
        self.agreed: int | None = None

    def heeded(self) -> int | None:
        return self.agreed if self.agreeing else self.number


_state = _State()
_ending = threading.Lock()


def exit_code(error: KeyboardInterrupt) -> int:
    """Return what a shell expects of a command that a signal ended: 130, 143, 129."""
    return 128 + getattr(error, "number", signal.SIGINT)


def pending() -> int | None:
    """Return the signal that arrived and is to be heeded; None where none did."""
    return _state.heeded() if _state.modes else None


def arrived() -> int | None:
    """Return the signal that arrived here, whether or not it is to be heeded."""
    return _state.number if _state.modes else None


@contextlib.contextmanager
def agreeing() -> Iterator[None]:
    """Let a signal that waits be heeded only once `agree` was told of it.

    Processes that train together thereby stop after the same step.
    """
    _state.agreeing, _state.agreed = True, None
    try:
        yield
    finally:
        _state.agreeing = False


def agree(number: int) -> None:
    """Heed a signal that arrived here or in another process."""
    _state.agreed = number


@contextlib.contextmanager
def handled(program: bool = False) -> Iterator[None]:
    """Heed the three signals until the block ends: raise `Interrupted`.

    Where the block is all of a `program`, a later signal ends it without a traceback.

    A second signal ends the process at once, even while C++ code runs. A signal that
    the process was started to ignore, as under nohup, stays ignored. Does nothing
    outside the main thread, nor within itself.
    """
    if _state.modes or threading.current_thread() is not threading.main_thread():
        yield
        return
    _state.__init__()
    _state.modes.append(Mode("raise"))
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    thread = threading.Thread(target=_watch, args=(reading,), daemon=True)
    thread.start()
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = {}
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, _heed)
    hook = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: _send_again(unraisable, hook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if program else handler)
        signal.set_wakeup_fd(wakeup)
        os.close(writing)
        thread.join(timeout=1)
        _state.modes.clear()


def take_back() -> None:
    """Heed the signals again that a library has set a handler of its own for.

    TensorFlow's cluster takes SIGTERM for a notice that the machine is about to go.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is _heed:
            signal.signal(number, _heed)


@contextlib.contextmanager
def at_once(say: Callable[[], str] = str) -> Iterator[Mode]:
    """Let a signal end the process at once: for imports and compilation.

    `say` returns the line that is then printed. No exception is raised, so none is
    lost and none ends C++ code with a crash. Only for work that writes nothing, or
    whose half-written files the next run removes. What is yielded can turn to
    `deferred` within the block.
    """
    with _mode("at once", say) as mode:
        if pending() is not None:
            _end(_state.number)
        yield mode
    if mode.name == "deferred":
        check()


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Let a signal wait for `check`, or for the end of the block, which raises it."""
    with _mode("deferred", str):
        yield
    check()


def check() -> None:
    """Raise `Interrupted` where a signal is waiting."""
    if pending() is not None:
        _state.raised = True
        raise Interrupted(pending())


def run_child(command: Sequence[str], seconds: float | None = None, **kwargs) -> int:
    """Run a command that ends with this process; return its exit code.

    A signal is passed on to it, and raised here when it has ended: a training thereby
    keeps its state. After `seconds` it is told to end too. `kwargs` are those of
    `subprocess.Popen`.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    environment = {**(kwargs.pop("env", None) or os.environ), PARENT: str(os.getpid())}
    with deferred(), subprocess.Popen(command, env=environment, **kwargs) as child:
        passed_on = False
        while True:
            try:
                return child.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                stopped = pending() is not None or time.monotonic() > end
                if stopped and not passed_on:
                    child.send_signal(signal.SIGTERM)
                    passed_on = True


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Receive a signal when the process that started this one dies, a kill too.

    Does nothing in a process that `run_child` did not start.
    """
    parent = os.environ.pop(PARENT, None)
    if parent is None:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number))
    if os.getppid() != int(parent):
        # It died before this could be asked for.
        os._exit(1)


@contextlib.contextmanager
def _mode(name: str, say: Callable[[], str]) -> Iterator[Mode]:
    mode = Mode(name, say)
    if not _state.modes:
        yield mode
        return
    _state.modes.append(mode)
    try:
        yield mode
    finally:
        if _state.modes:
            _state.modes.pop()


def _heed(number: int, frame) -> None:
    """Python's handler: runs in the main thread, between two of its instructions."""
    if _state.number is None:
        _state.number = number
    mode = _state.modes[-1].name if _state.modes else "raise"
    if mode == "at once":
        _end(number)
    elif mode == "raise" and not _state.raised:
        _state.raised = True
        raise Interrupted(number)


def _watch(reading: int) -> None:
    """See signals in a thread of its own, whatever the main thread is at."""
    with open(reading, "rb", buffering=0) as arrivals:
        while byte := arrivals.read(1):
            number, now = byte[0], time.monotonic()
            if number not in SIGNALS:
                continue
            if _state.modes and _state.modes[-1].name == "at once":
                _end(number)
            if not _state.first_time:
                _state.first_time = now
            elif _state.resent:
                # However long a busy machine took, the user sent it once.
                _state.resent -= 1
                _state.first_time = now
            elif now - _state.first_time > SAME_SIGNAL_SECONDS:
                os._exit(128 + number)


def _end(number: int) -> None:
    """Print the line that is to be said, and end without any clearing up."""
    if not _ending.acquire(blocking=False):
        # The other thread is at it.
        time.sleep(10)
    line = b""
    with contextlib.suppress(Exception):
        line = _state.modes[-1].say().encode(errors="replace")
    with contextlib.suppress(OSError):
        os.write(2, b"\n" + line + b"\n" if line else b"\n")
    os._exit(128 + number)


def _send_again(unraisable, hook) -> None:
    """Send a signal again where Python drops it, as in a callback of the collector."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        number = getattr(unraisable.exc_value, "number", signal.SIGINT)
        _state.raised = False
        _state.resent += 1
        threading.Timer(0.01, os.kill, (os.getpid(), number)).start()
    else:
        hook(unraisable)
