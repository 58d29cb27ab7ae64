"""The commands zoo and zoo-check: every network trained, every file checked."""

from pathlib import Path

from fmkeras.backends import BACKENDS
from fmkeras.cli import flags
from fmkeras.cli.session import load_data, naming_what_goes_on, split_words
from fmkeras.files import write_json
from fmkeras.records import SAVED_MODELS


def add_commands(add) -> None:
    """Declare zoo and zoo-check; `add(name, run, text)` returns a parser."""
    _add_zoo(add)
    _add_check(add)


def _add_zoo(add) -> None:
    parser = add("zoo", zoo, "train every network by its default recipe")
    parser.epilog = (
        "The quickest first. What is done is passed over, an interrupted training goes "
        "on. Processes that share the folders, on one machine or several, divide the "
        "networks. A large model is stored as train --compact does it."
    )
    parser.add_argument(
        "--models",
        nargs="+",
        default=(),
        metavar="NAME",
        help="some of them only (default: the published networks and fmk_...)",
    )
    parser.add_argument(
        "--minutes",
        type=flags.positive_number,
        metavar="N",
        help="stop after so long; the same command goes on",
    )
    parser.add_argument(
        "--list", action="store_true", help="show what would be done, and end"
    )
    parser.add_argument(
        "--epochs",
        type=flags.whole_number,
        metavar="N",
        help="of each training (default: those of the recipe)",
    )
    flags.add_save(
        parser,
        "if another recipe than today's default trained that, or if it is better on "
        "the same validation images",
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "gpu"),
        default="cpu",
        metavar="cpu|gpu",
        help="whose rates the estimates stand on (default: cpu)",
    )
    flags.add_seed(parser)
    parser.add_argument(
        "--out",
        default=str(SAVED_MODELS),
        metavar="DIR",
        help="where the models and their cards go (default: saved_models)",
    )
    parser.add_argument(
        "--runs",
        default="runs/zoo",
        metavar="DIR",
        help="gets a folder for each network (default: runs/zoo)",
    )
    flags.add_backend(parser)
    flags.add_data(parser)


def _add_check(add) -> None:
    parser = add(
        "zoo-check",
        zoo_check,
        "check every saved model where fmkeras cannot be imported",
    )
    parser.epilog = (
        "Keras alone opens each file, on each backend; its checksum and how many test "
        "images it gets right must be the card's, to the last image; a file without a "
        "card must open. Exit code 1 where one does not."
    )
    parser.add_argument(
        "--models",
        nargs="+",
        default=(),
        metavar="NAME",
        help="some of them only (default: all of --models-dir)",
    )
    flags.add_models_dir(parser)
    parser.add_argument(
        "--backends",
        nargs="+",
        default=BACKENDS,
        choices=BACKENDS,
        metavar="NAME",
        help="one or more (default: all three)",
    )
    parser.add_argument("--json", metavar="FILE", help="write what was found to a file")
    flags.add_data(parser)


def zoo(args) -> int:
    """Train the networks that are not done, and print a line for each."""
    from fmkeras.experiments.zoo.plan import Zoo, plan_zoo
    from fmkeras.experiments.zoo.train import train_zoo, zoo_text

    settings = Zoo(
        load_data(args),
        args.backend,
        args.seed,
        args.epochs,
        Path(args.out),
        Path(args.runs),
        args.save,
        tuple(_data_arguments(args)),
    )
    nets = plan_zoo(settings, split_words(args.models), args.device)
    print(zoo_text(nets, settings), flush=True)
    if args.list:
        return 0
    with naming_what_goes_on():
        failed = train_zoo(
            nets, settings, args.minutes, log=lambda line: print(line, flush=True)
        )
    return 1 if failed else 0


def zoo_check(args) -> int:
    """Check saved models against their cards, in bare processes."""
    from fmkeras.experiments.zoo.check import check_zoo

    rows = check_zoo(
        load_data(args),
        Path(args.models_dir),
        split_words(args.models),
        args.backends,
        log=lambda line: print(line, flush=True),
    )
    bad = [row for row in rows if not row["passed"]]
    files = len({row["model"] for row in rows})
    print(f"{files} files, {len(rows) - len(bad)} of {len(rows)} checks passed.")
    bare = {row["model"] for row in rows if row["passed"] and row["expected"] is None}
    if bare:
        print(f"Opened only, for want of a card: {', '.join(sorted(bare))}.")
    if args.json:
        write_json(args.json, rows)
        print(f"Figures: {args.json}")
    return 1 if bad else 0


def _data_arguments(args) -> list[str]:
    """Return the flags of train that name the data these flags do."""
    words = []
    for name in ("data", "data_dir", "train_size", "test_size", "data_seed", "resize"):
        value = getattr(args, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words + (["--skip-bad"] if args.skip_bad else [])
