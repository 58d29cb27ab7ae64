"""The command line: parse, set the backend, call one function."""

import re
import sys

from fmkeras.backends import set_backend
from fmkeras.cli.parser import build_parser
from fmkeras.cli.terminal import run_guarded


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, 2 after a user's mistake, 130 after Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    return run_guarded("fmkeras", lambda: _run(words))


def _run(arguments: list[str]) -> int:
    # The published projects write --batch_size where we write --batch-size.
    words = [
        re.sub("^--[^=]+", lambda flag: flag[0].replace("_", "-"), word)
        for word in arguments
    ]
    args, unknown = build_parser().parse_known_args(words)
    if unknown:
        args.parser.error(f"unknown arguments: {' '.join(unknown)}")
    if "backend" in args:
        set_backend(args.backend)
    return args.run(args) or 0


if __name__ == "__main__":
    sys.exit(main())
