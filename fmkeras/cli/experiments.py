"""The commands that train many times: repeat, reproduce, study, campaign."""

import argparse
from pathlib import Path

from fmkeras.backends import BACKENDS
from fmkeras.cli import flags
from fmkeras.cli.session import load_data, naming_what_goes_on, print_device
from fmkeras.cli.train import is_training_of, recipe_of
from fmkeras.errors import UserError
from fmkeras.experiments.campaign import PARTS
from fmkeras.experiments.repeat import repeat as run_repeat
from fmkeras.experiments.studies import STUDIES
from fmkeras.experiments.summary import summarise

# Flags of train that a published protocol leaves to the user.
_FREE = ("data_dir", "devices", "precision", "compile", "log")


def add_commands(add) -> None:
    """Declare repeat, reproduce, campaign; `add(name, run, text)` returns a parser."""
    _add_repeat(add)
    _add_reproduce(add)
    _add_study(add)
    _add_campaign(add)


def _add_repeat(add) -> None:
    parser = add(
        "repeat",
        repeat,
        "train over backends and seeds and keep the records",
    )
    parser.usage = "%(prog)s --model NAME --name NAME [option ...] [-- FLAG ...]"
    parser.epilog = (
        "Flags of train may follow after --, as in: fmkeras repeat --model cnn "
        "--name first-light --epochs 5 -- --batch-size 64"
    )
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="see 'fmkeras models'"
    )
    parser.add_argument(
        "--name", required=True, metavar="NAME", help="name of the study"
    )
    parser.add_argument(
        "--backends",
        nargs="+",
        default=BACKENDS,
        choices=BACKENDS,
        metavar="NAME",
        help="one or more (default: all three)",
    )
    _add_seeds(parser)
    parser.add_argument(
        "--epochs", type=flags.whole_number, metavar="N", help="epochs of each training"
    )
    parser.add_argument("flags", nargs="*", help=argparse.SUPPRESS)


def _add_reproduce(add) -> None:
    parser = add(
        "reproduce",
        reproduce,
        "train by the published protocol and print both figures",
    )
    parser.usage = "%(prog)s --model NAME [option ...] [-- FLAG ...]"
    parser.epilog = (
        "Records are kept in saved_models/records/published; a run whose record is "
        "there is not repeated. Of train's flags, those of how it runs may follow "
        "after --: --devices, --precision, --compile, --log."
    )
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="see 'fmkeras models'"
    )
    flags.add_backend(parser)
    _add_seeds(parser)
    parser.add_argument(
        "--recipe",
        default="published",
        metavar="NAME",
        help="another published one, such as fashionnet-frozen, a source's fault "
        "(default: the network's own)",
    )
    parser.add_argument(
        "--epochs",
        type=flags.whole_number,
        metavar="N",
        help="fewer than published: a short run, kept in a study of its own",
    )
    flags.add_data_dir(parser)
    parser.add_argument("flags", nargs="*", help=argparse.SUPPRESS)


def _add_study(add) -> None:
    parser = add(
        "study",
        study,
        "compare shapes, or parts of a recipe, on validation images",
    )
    parser.usage = "%(prog)s --name NAME [option ...]"
    parser.epilog = (
        "The test images are not read. Records are kept in saved_models/records/"
        "study-NAME; a case whose record is there is not trained again."
    )
    parser.add_argument(
        "--name", required=True, metavar="NAME", help=f"one of {', '.join(STUDIES)}"
    )
    parser.add_argument(
        "--cases", nargs="+", default=(), metavar="LABEL", help="some of them only"
    )
    _add_seeds(parser, default=(0,))
    parser.add_argument(
        "--epochs",
        type=flags.whole_number,
        metavar="N",
        help="other than the study's: kept apart",
    )
    flags.add_backend(parser)
    flags.add_data(parser)


def _add_campaign(add) -> None:
    parser = add(
        "campaign",
        campaign,
        "measure what the tables lack on a GPU, in a given time",
    )
    parser.epilog = (
        "Speed, then the published protocols of the large networks, then five seeds "
        "of the most accurate ones; the last two on torch in bfloat16. The next "
        "campaign continues what was cut short."
    )
    parser.add_argument(
        "--part",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        metavar="|".join(PARTS),
        help="one or more (default: all, in this order)",
    )
    parser.add_argument(
        "--minutes",
        type=flags.positive_number,
        default=9,
        metavar="N",
        help="how long it may take (default: 9)",
    )
    flags.add_device(parser, default="gpu")
    parser.add_argument(
        "--out",
        default="runs/campaign",
        metavar="DIR",
        help="where records.tar.gz goes, with its records (default: runs/campaign)",
    )


def _add_seeds(parser, default=(0, 1, 2)) -> None:
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=flags.seed,
        default=default,
        metavar="N",
        help=f"one or more (default: {' '.join(map(str, default))})",
    )


@naming_what_goes_on()
def repeat(args) -> None:
    """Train over backends and seeds; print means and spreads."""
    from fmkeras.cli.parser import build_parser

    arguments = [] if args.epochs is None else ["--epochs", str(args.epochs)]
    arguments += args.flags
    asked = build_parser().parse_args(["train", "--model", args.model, *arguments])
    records = run_repeat(
        args.name,
        args.model,
        args.backends,
        args.seeds,
        arguments,
        recipe=recipe_of(asked),
        is_asked=lambda told: is_training_of(asked, told),
    )
    for row in summarise(records):
        spread = "" if row["spread"] is None else f" +- {row['spread']:.4f}"
        print(
            f"{row['model']} on {row['backend']}, {row['epochs']} epochs: test "
            f"accuracy {row['mean']:.4f}{spread} over {len(row['seeds'])} seeds"
        )


@naming_what_goes_on()
def reproduce(args) -> None:
    """Train by a published protocol; print its figures beside ours."""
    from fmkeras.experiments.reproduce import comparison_text
    from fmkeras.experiments.reproduce import reproduce as run_protocol

    how = _how(args.flags)
    data = [] if args.data_dir is None else ["--data-dir", args.data_dir]
    records = run_protocol(
        args.model,
        args.backend,
        args.seeds,
        args.epochs,
        data + args.flags,
        recipe=args.recipe,
        how=how,
    )
    print(comparison_text(records[0]["model"], records))


def _how(words: list[str]) -> dict:
    """Return the precision and compilation that flags of train ask for.

    Raises `UserError` for flags that change what a protocol trains, or on what.
    """
    from fmkeras.cli.parser import build_parser

    parser = build_parser()
    train = ["train", "--model", "lenet", "--recipe", "published"]
    plain = vars(parser.parse_args(train))
    given = vars(parser.parse_args([*train, *words]))
    for name, value in given.items():
        if value != plain[name] and name not in _FREE:
            free = ", ".join("--" + free.replace("_", "-") for free in _FREE)
            raise UserError(
                "A flag changes the published protocol; expected only those of how "
                f"it runs: {free} ('fmkeras repeat' trains by other recipes). "
                f"Received: --{name.replace('_', '-')} {value}"
            )
    fields = {"precision", "compile"}
    return {n: v for n, v in given.items() if n in fields and v is not None}


@naming_what_goes_on()
def study(args) -> None:
    """Train the cases of a study and print how accurate each is."""
    from fmkeras.experiments.studies import find_study, run_study

    print(find_study(args.name).question, flush=True)
    dataset = load_data(args)
    print_device()
    records = run_study(
        args.name,
        dataset,
        seeds=args.seeds,
        epochs=args.epochs,
        labels=args.cases,
        log=lambda line: print(line, flush=True),
    )
    for record in sorted(records, key=lambda r: -r["validation"]["accuracy"]):
        print(
            f"{record['validation']['accuracy']:.4f}  {record['case']}, "
            f"{record['parameters']:,} weights, seed {record['seed']}, "
            f"{record['seconds']:.0f} s"
        )


@naming_what_goes_on()
def campaign(args) -> int:
    """Run the commands whose records the tables lack, in a given time."""
    from fmkeras.experiments.campaign import ARCHIVE, commands_of, run_campaign

    commands = [c for part in args.part for c in commands_of(part, args.device)]
    left = run_campaign(
        commands,
        args.out,
        args.minutes,
        log=lambda line: print(line, flush=True),
    )
    print(f"Records: {Path(args.out) / ARCHIVE}")
    print(f"Finished: {len(commands) - left} of {len(commands)} commands.")
    return 1 if left else 0
