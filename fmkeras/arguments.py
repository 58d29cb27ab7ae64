"""The arguments of the command line: which commands there are, and their flags."""

import argparse

from fmkeras import commands, flags
from fmkeras.benchmark_arguments import add_benchmark_commands
from fmkeras.measure_arguments import add_measure_commands
from fmkeras.report_arguments import add_report_commands
from fmkeras.study_arguments import add_study_commands


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, where argparse would print its usage too."""

    def error(self, message):
        message = " ".join(message.split())
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `run` in its result is the function."""
    parser = Parser(
        prog="fmkeras",
        description="Image classifiers on Fashion-MNIST, in Keras 3, on torch, "
        "tensorflow or jax.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=lambda options: parser.print_help(), parser=parser)
    subparsers = parser.add_subparsers(metavar="COMMAND", help="one of those below")

    quickstart = _command(
        subparsers,
        "quickstart",
        commands.quickstart,
        "train a small network in two minutes: start here",
    )
    quickstart.epilog = (
        "Where Fashion-MNIST is neither found nor to be downloaded, it takes garments "
        "that the program draws, and says so."
    )
    flags.add_backend(quickstart)
    flags.add_data_dir(quickstart)
    flags.add_seed(quickstart)

    train = _command(subparsers, "train", commands.train, "train a network and save it")
    train.usage = "%(prog)s --model NAME [option ...]"
    train.epilog = "example: fmkeras train --model cnn --epochs 5 --backend jax"
    train.add_argument(
        "--model", required=True, metavar="NAME", help="see 'fmkeras models'"
    )
    flags.add_training(train)

    def add(name, run, text):
        return _command(subparsers, name, run, text)

    add_measure_commands(add)
    add_report_commands(add)

    data = _command(
        subparsers,
        "data",
        commands.data,
        "say what data was found, where, and if it is intact",
    )
    flags.add_data_name(data)
    flags.add_data_dir(data)
    data.add_argument("--json", metavar="FILE", help="write the report there")
    data.add_argument(
        "--figure", metavar="FILE", help="draw twelve images a class (.png or .svg)"
    )

    add_study_commands(add)

    models = _command(subparsers, "models", commands.models, "list the networks")
    models.add_argument(
        "--models-dir",
        default="saved_models",
        metavar="DIR",
        help="where the sizes of files are read (default: saved_models)",
    )
    models.add_argument("--markdown", action="store_true", help="as Markdown")
    models.add_argument("--json", metavar="FILE", help="write the table there too")
    flags.add_backend(models)

    show = _command(subparsers, "show", commands.show, "show a network layer by layer")
    show.add_argument("model", metavar="NAME", help="see 'fmkeras models'")
    show.add_argument("--markdown", action="store_true", help="as Markdown")
    flags.add_backend(show)

    add_benchmark_commands(add)

    results = _command(
        subparsers,
        "results",
        commands.results,
        "make the READMEs' tables anew from the records",
    )
    results.add_argument(
        "--check", action="store_true", help="write nothing; exit 2 if any is stale"
    )

    pictures = _command(
        subparsers, "pictures", commands.pictures, "draw the README's pictures anew"
    )
    pictures.add_argument(
        "--model", default="cnn", metavar="NAME", help="whose errors to show"
    )
    flags.add_data_dir(pictures)

    # A list of our own: argparse's breaks the line of the longest name.
    lines = [
        f"  {name:<11} {command.description}"
        for name, command in subparsers.choices.items()
    ]
    parser.epilog = "\n".join(
        ["commands:", *lines, "", "Each says more: fmkeras COMMAND --help"]
    )
    return parser


def _command(subparsers, name: str, run, text: str) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=run, parser=parser)
    return parser
