"""The parser of the command line, put together from the files of the commands."""

import argparse

import fmkeras
from fmkeras.cli import (
    benchmark,
    evaluate,
    experiments,
    export,
    finetune,
    import_torch,
    inspect,
    predict,
    publish,
    quickstart,
    readme,
    report,
    speedrun,
    train,
    try_page,
    tune,
    zoo,
)
from fmkeras.cli.make_words import in_make_words
from fmkeras.provenance import versions


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, where argparse would print its usage too.

    It takes no beginnings of flags: `--see` might be any that comes later.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"allow_abbrev": False} | kwargs)

    def error(self, message):
        message = " ".join(message.split())
        message = f"{self.prog}: {message}; see {self.prog} --help"
        self.exit(2, in_make_words(message) + "\n")


def version_text() -> str:
    """Return the version of this package, and of those that figures depend on."""
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    return f"fmkeras {fmkeras.__version__} ({found})"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `run` in its result is the function."""
    parser = Parser(
        prog="fmkeras",
        description="Image classifiers on Fashion-MNIST, in Keras 3, on torch, "
        "tensorflow or jax.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version_text())
    parser.set_defaults(run=lambda args: parser.print_help(), parser=parser)
    subparsers = parser.add_subparsers(metavar="COMMAND", help="one of those below")

    def add(name: str, run, text: str) -> argparse.ArgumentParser:
        description = f"{text[0].upper()}{text[1:]}."
        command = subparsers.add_parser(name, description=description)
        command.set_defaults(run=run, parser=command)
        return command

    for group in (
        quickstart,
        train,
        tune,
        evaluate,
        predict,
        try_page,
        publish,
        export,
        import_torch,
        report,
        inspect,
        experiments,
        zoo,
        finetune,
        benchmark,
        speedrun,
        readme,
    ):
        group.add_commands(add)

    # A list of our own: argparse's breaks the line of the longest name.
    lines = [
        f"  {name:<12} {command.description}"
        for name, command in subparsers.choices.items()
    ]
    parser.epilog = "\n".join(
        ["commands:", *lines, "", "Each says more: fmkeras COMMAND --help"]
    )
    return parser
