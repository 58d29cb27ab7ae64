"""Care for the terminal: Ctrl-C that is not lost, and no notes of C++ libraries."""

import contextlib
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator

# Notes of TensorFlow's C++ that come whatever TF_CPP_MIN_LOG_LEVEL says.
CHATTER = re.compile(rb"I\d{4} |WARNING: All log messages before absl")


@contextlib.contextmanager
def no_lost_interrupts() -> Iterator[None]:
    """Send Ctrl-C again where Python drops it, as in jax's callback of the collector.

    In such a place no exception can be raised; Python prints it and goes on.
    """
    before = sys.unraisablehook

    def send_again(unraisable):
        if unraisable.exc_type is KeyboardInterrupt:
            again = (os.getpid(), signal.SIGINT)
            threading.Timer(0.01, os.kill, again).start()
        else:
            before(unraisable)

    sys.unraisablehook = send_again
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what is written to stderr, by C++ too; then show what matters."""
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held_back.seek(0)
            for line in held_back:
                if not CHATTER.match(line):
                    os.write(2, line)
