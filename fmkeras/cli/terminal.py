"""Care for the terminal: errors in one line, and no notes of C++ libraries."""

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator

from fmkeras import signals
from fmkeras.cli.make_words import in_make_words
from fmkeras.errors import UserError
from fmkeras.files import printable

# Notes of TensorFlow's C++ that come whatever TF_CPP_MIN_LOG_LEVEL says.
CHATTER = re.compile(rb"I\d{4} |WARNING: All log messages before absl")


def run_guarded(program: str, run: Callable[[], int]) -> int:
    """Return what `run` returns, an error's exit code, or 128 + a signal.

    A `UserError` is one line on stderr that starts with the name of the program; its
    code is 2, or 3 where training diverged or the memory was too small.
    """
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show costs a question mark, not the command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        try:
            return run()
        finally:
            # Here, where it does no harm that nobody reads our output any more.
            print(end="", flush=True)
    except UserError as error:
        message = printable(in_make_words(f"{program}: {error}"))
        print(message, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as error:
        return signals.exit_code(error)
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
