"""The command line: parse, set the backend, call one function."""

import sys

from fmkeras.process import signals


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, 2 after a user's mistake, 130 after Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    with signals.handled(program=arguments is None):
        signals.die_with_parent()
        with signals.at_once():
            # Here, not above: a signal during an import is heeded too.
            from fmkeras.cli.terminal import run_guarded
        return run_guarded("fmkeras", lambda: _run(words))


def _run(arguments: list[str]) -> int:
    with signals.at_once():
        import re

        from fmkeras.backends import set_backend
        from fmkeras.cli.parser import build_parser

        # The published projects write --batch_size where we write --batch-size.
        words = [
            re.sub("^--[^=]+", lambda flag: flag[0].replace("_", "-"), word)
            for word in arguments
        ]
        # To argparse the range -1..1 looks like a flag.
        if "--pixels" in words[:-1]:
            place = words.index("--pixels")
            words[place : place + 2] = ["=".join(words[place : place + 2])]
        parser = build_parser()
    if words[:1] == ["tune"]:
        from fmkeras.cli.tune import tune

        # Its words are the tuner's own.
        return tune(words[1:])
    args, unknown = parser.parse_known_args(words)
    if unknown:
        args.parser.error(f"unknown arguments: {' '.join(unknown)}")
    args.words = words
    if "backend" in args:
        set_backend(args.backend)
    return args.run(args) or 0


if __name__ == "__main__":
    sys.exit(main())
