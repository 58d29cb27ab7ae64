"""The arguments of `python -m tuner`: its commands and their flags."""

import argparse

from fmkeras import flags
from fmkeras.arguments import Parser
from tuner import commands
from tuner.published import NAMES
from tuner.settings import OBJECTIVES, SEARCHES


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `run` in its result is the function."""
    parser = Parser(prog="tuner", description="Search for recipes with KerasTuner.")
    parser.set_defaults(run=lambda options: parser.print_help(), parser=parser)
    subparsers = parser.add_subparsers(metavar="COMMAND", title="commands")
    search = subparsers.add_parser(
        "search",
        help="search in this process, or with several workers",
        description="Search for a recipe; the same command goes on with a search "
        "that was interrupted.",
    )
    search.set_defaults(run=commands.search, parser=search)
    _add_search(search)
    search.add_argument(
        "--resume",
        metavar="DIR",
        help="go on with the search in that folder; its settings are in it",
    )
    flags.add_backend(search)
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
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="the search lies in RUNS/tune-NAME (default: made from the settings)",
    )
    parser.add_argument("--runs", default="runs", metavar="DIR", help="default: runs")
    parser.add_argument(
        "--record",
        metavar="NAME",
        help="at the end keep trials and pictures in saved_models as tune-NAME",
    )
    flags.add_data(parser)
