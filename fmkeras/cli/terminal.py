"""Care for the terminal: Ctrl-C that is not lost, and no notes of C++ libraries."""

import contextlib
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator

from fmkeras.cli.make_words import in_make_words
from fmkeras.errors import UserError

# Notes of TensorFlow's C++ that come whatever TF_CPP_MIN_LOG_LEVEL says.
CHATTER = re.compile(rb"I\d{4} |WARNING: All log messages before absl")


def run_guarded(program: str, run: Callable[[], int]) -> int:
    """Return what `run` returns, 2 after a user's mistake, 130 after Ctrl-C.

    A mistake is one line on stderr that starts with the name of the program.
    """
    try:
        try:
            with no_lost_interrupts():
                return run()
        finally:
            # Here, where it does no harm that nobody reads our output any more.
            print(end="", flush=True)
    except UserError as error:
        print(in_make_words(f"{program}: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output, such as head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # Such as a full disk, or a folder where a file should be.
        path = error.filename2 or error.filename
        print(
            f"{program}: A file cannot be read or written "
            f"({error.strerror or error}); check its path, and that there is room. "
            f"Received: {'no path' if path is None else repr(str(path))}",
            file=sys.stderr,
        )
        return 2


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
def suppress_native_logs() -> Iterator[None]:
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
