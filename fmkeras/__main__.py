"""The command line: parse, set the backend, call one function."""

import os
import re
import sys

from fmkeras.arguments import build_parser
from fmkeras.backends import set_backend
from fmkeras.console import no_lost_interrupts
from fmkeras.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, 2 after a user's mistake, 130 after Ctrl-C."""
    try:
        try:
            with no_lost_interrupts():
                return _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            # Here, where it does no harm that nobody reads our output any more.
            print(end="", flush=True)
    except UserError as error:
        print(f"fmkeras: {error}", file=sys.stderr)
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
            f"fmkeras: A file cannot be read or written ({error.strerror or error}); "
            "check its path, and that there is room. "
            f"Received: {'no path' if path is None else repr(str(path))}",
            file=sys.stderr,
        )
        return 2


def _run(arguments: list[str]) -> int:
    # The published projects write --batch_size where we write --batch-size.
    words = [
        re.sub("^--[^=]+", lambda flag: flag[0].replace("_", "-"), word)
        for word in arguments
    ]
    options, unknown = build_parser().parse_known_args(words)
    if unknown:
        options.parser.error(f"unknown arguments: {' '.join(unknown)}")
    if "backend" in options:
        set_backend(options.backend)
    return options.run(options) or 0


if __name__ == "__main__":
    sys.exit(main())
