"""The command line of the tuner: parse, set the backend, call one function."""

import sys

from fmkeras.cli.terminal import run_guarded
from tuner.cli import build_parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, 2 after a user's mistake, 130 after Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    return run_guarded("tuner", lambda: _run(words))


def _run(words: list[str]) -> int:
    args = build_parser().parse_args(words)
    return args.run(args) or 0


if __name__ == "__main__":
    sys.exit(main())
