"""Care for the terminal: errors in one line, and no notes of C++ libraries."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator

from fmkeras.cli.make_words import in_make_words
from fmkeras.cli.printable import printable_output
from fmkeras.errors import (
    OutOfMemory,
    UserError,
    is_missing_platform,
    is_out_of_memory,
    shown_value,
)
from fmkeras.files import printable
from fmkeras.process import signals

# Notes of C++ libraries that come whatever TF_CPP_MIN_LOG_LEVEL says.
CHATTER = re.compile(
    rb"I\d{4} |E\d{4} .*failed call to cuInit|WARNING: All log messages before absl|"
    rb"To enable the following instructions|\[Gloo\] Rank"
)


def run_guarded(program: str, run: Callable[[], int]) -> int:
    """Return what `run` returns, an error's exit code, or 128 + a signal.

    A `UserError` is one line on stderr that starts with the name of the program; its
    code is 2, or 3 where training diverged or the memory was too small.
    """
    with printable_output():
        return _run_guarded(program, run)


def _run_guarded(program: str, run: Callable[[], int]) -> int:
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
    except Exception as error:
        if is_missing_platform(error):
            print(
                f"{program}: jax finds no device of JAX_PLATFORMS; expected cpu, or a "
                "kind that is here and has its plugin: unset it to let jax choose. "
                f"Received: {shown_value(os.environ['JAX_PLATFORMS'])}",
                file=sys.stderr,
            )
            return 2
        if not is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        error = OutOfMemory(
            "The memory is too small; expected room for the model and a batch: use a "
            "smaller batch_size or model, or close other programs. "
            f"Received: {reason}"
        )
        print(f"{program}: {printable(error)}", file=sys.stderr)
        return error.exit_code


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
