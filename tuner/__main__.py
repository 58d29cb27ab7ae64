"""The command line of the tuner: parse, set the backend, call one function."""

import os
import sys

from fmkeras.process import signals


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, 2 after a user's mistake, 130 after Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    with signals.handled(program=arguments is None):
        with signals.at_once():
            from fmkeras.cli.terminal import run_guarded
        return run_guarded("tuner", lambda: _run(words))


def _run(words: list[str]) -> int:
    # Left over from another project these would make any search a worker of its chief.
    for name in [name for name in os.environ if name.startswith("KERASTUNER_")]:
        del os.environ[name]
    with signals.at_once():
        from tuner.cli import build_parser

        parser = build_parser()
    args = parser.parse_args(words)
    # A flag may be typed with its default value; the parsed value does not tell.
    args.typed = {word.partition("=")[0] for word in words if word[:2] == "--"}
    if getattr(args, "one", None) is None:
        # A worker of several dies at once with the process that tends it.
        signals.die_with_parent()
    return args.run(args) or 0


if __name__ == "__main__":
    sys.exit(main())
