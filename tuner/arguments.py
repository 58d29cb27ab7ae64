"""The arguments of `python -m tuner`: its commands and their flags."""

import argparse
from collections.abc import Callable

from fmkeras import flags
from fmkeras.arguments import Parser
from tuner import commands
from tuner.published import NAMES
from tuner.settings import OBJECTIVES, SEARCHES

# Where a chief listens.
PORT = 8765


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `run` in its result is the function."""
    parser = Parser(prog="tuner", description="Search for recipes with KerasTuner.")
    parser.set_defaults(run=lambda options: parser.print_help(), parser=parser)
    subparsers = parser.add_subparsers(metavar="COMMAND", title="commands")
    search = _command(
        subparsers,
        "search",
        commands.search,
        "search in this process, or with several workers",
        "The same command goes on with a search that was interrupted.",
    )
    _add_search(search)
    _add_workers(search)
    chief = _command(
        subparsers,
        "chief",
        commands.chief,
        "search with workers on other machines",
        "They share the folder of runs with this one.",
    )
    _add_search(chief)
    chief.add_argument(
        "--host", default="0.0.0.0", metavar="HOST", help="to listen at (default: all)"
    )
    chief.add_argument(
        "--port",
        type=flags.whole_number,
        default=PORT,
        metavar="N",
        help=f"to listen at (default: {PORT})",
    )
    worker = _command(
        subparsers,
        "worker",
        commands.worker,
        "train trials of a chief",
        "It ends when the search is complete.",
    )
    worker.add_argument(
        "--chief", required=True, metavar="HOST:PORT", help="where the chief listens"
    )
    _add_folder(worker)
    flags.add_data_dir(worker)
    _add_workers(worker)
    worker.add_argument("--one", help=argparse.SUPPRESS)
    worker.add_argument("--cores", help=argparse.SUPPRESS)
    worker.set_defaults(trials=None)
    return parser


def _add_search(parser) -> None:
    parser.add_argument("--model", metavar="NAME", help="see 'fmkeras models'")
    parser.add_argument(
        "--space",
        default="wide",
        metavar="NAME|FILE",
        help=f"one of {', '.join(NAMES)}, or a .json or .py file (default: wide)",
    )
    parser.add_argument(
        "--search",
        metavar="NAME",
        help=f"one of {', '.join(SEARCHES)} (default: grid for a published grid, "
        "else random)",
    )
    parser.add_argument(
        "--trials",
        type=flags.whole_number,
        metavar="N",
        help="at most so many (default: all of a grid, 20 of random and bayesian)",
    )
    parser.add_argument(
        "--epochs",
        type=flags.whole_number,
        metavar="N",
        help="of each trial; with hyperband the most (default: the recipe's)",
    )
    parser.add_argument(
        "--objective",
        default="val_accuracy",
        metavar="NAME",
        help=f"one of {', '.join(OBJECTIVES)} (default: val_accuracy)",
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help="what is not chosen: as train has it (default: the space's own)",
    )
    flags.add_seed(parser)
    _add_folder(parser)
    flags.add_backend(parser)
    parser.add_argument(
        "--record",
        metavar="NAME",
        help="at the end keep trials and heat map in saved_models as tune-NAME",
    )
    flags.add_data(parser)


def _add_workers(parser) -> None:
    parser.add_argument(
        "--workers",
        type=flags.whole_number,
        default=1,
        metavar="N",
        help="processes on this machine, which share its cores (default: 1)",
    )


def _add_folder(parser) -> None:
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="the search lies in RUNS/tune-NAME (default: made from the settings)",
    )
    parser.add_argument("--runs", default="runs", metavar="DIR", help="default: runs")
    parser.add_argument(
        "--resume",
        metavar="DIR",
        help="the folder of a search to go on with; its settings are in it",
    )


def _command(
    subparsers, name: str, run: Callable, text: str, more: str
) -> argparse.ArgumentParser:
    description = f"{text[0].upper()}{text[1:]}. {more}"
    parser = subparsers.add_parser(name, help=text, description=description)
    parser.set_defaults(run=run, parser=parser)
    return parser
