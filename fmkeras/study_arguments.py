"""The flags of the commands that run others many times."""

import argparse

from fmkeras import flags, study_commands
from fmkeras.backends import BACKENDS
from fmkeras.campaign import PARTS


def add_study_commands(add) -> None:
    """Declare repeat and reproduce; `add(name, run, text)` returns a parser."""
    repeat = add(
        "repeat",
        study_commands.repeat,
        "train over backends and seeds, keep the records",
    )
    repeat.usage = "%(prog)s --model NAME --name NAME [option ...] [-- FLAG ...]"
    repeat.epilog = (
        "Flags of train may follow after --, as in: fmkeras repeat --model cnn "
        "--name first-light --epochs 5 -- --batch-size 64"
    )
    repeat.add_argument(
        "--model", required=True, metavar="NAME", help="see 'fmkeras models'"
    )
    repeat.add_argument("--name", required=True, metavar="NAME", help="of the study")
    repeat.add_argument(
        "--backends",
        nargs="+",
        default=BACKENDS,
        choices=BACKENDS,
        metavar="NAME",
        help="one or more (default: all three)",
    )
    _add_seeds(repeat)
    repeat.add_argument(
        "--epochs", type=flags.whole_number, metavar="N", help="as train has it"
    )
    repeat.add_argument("flags", nargs="*", help=argparse.SUPPRESS)

    reproduce = add(
        "reproduce",
        study_commands.reproduce,
        "train by the published protocol, print both figures",
    )
    reproduce.usage = "%(prog)s --model NAME [option ...] [-- FLAG ...]"
    reproduce.epilog = (
        "Records are kept in saved_models/records/published; a run whose record is "
        "there is not repeated. Flags of train may follow after --."
    )
    reproduce.add_argument(
        "--model", required=True, metavar="NAME", help="see 'fmkeras models'"
    )
    flags.add_backend(reproduce)
    _add_seeds(reproduce)
    reproduce.add_argument(
        "--epochs",
        type=flags.whole_number,
        metavar="N",
        help="fewer than published: a short run, which is kept apart",
    )
    flags.add_data_dir(reproduce)
    reproduce.add_argument("flags", nargs="*", help=argparse.SUPPRESS)

    campaign = add(
        "campaign",
        study_commands.campaign,
        "measure what the tables want of a GPU, in a given time",
    )
    campaign.epilog = (
        "Speed, then the published runs of the large networks, then the accuracies "
        "aimed at, the last two on torch in bfloat16. What is cut short goes on in "
        "the next campaign."
    )
    campaign.add_argument(
        "--part",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        metavar="|".join(PARTS),
        help="one or more (default: all, in this order)",
    )
    campaign.add_argument(
        "--minutes",
        type=flags.positive_number,
        default=9,
        metavar="N",
        help="how long it may take (default: 9)",
    )
    flags.add_device(campaign, default="gpu")
    campaign.add_argument(
        "--out",
        default="runs/campaign",
        metavar="DIR",
        help="gets records.tar.gz, with all that was written (default: runs/campaign)",
    )


def _add_seeds(parser) -> None:
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=flags.seed,
        default=(0, 1, 2),
        metavar="N",
        help="one or more (default: 0 1 2)",
    )
