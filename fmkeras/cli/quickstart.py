"""The command quickstart: a small network trained in a minute."""

import shlex
import sys

from fmkeras.cli import flags
from fmkeras.cli.make_words import in_own_words
from fmkeras.cli.one_run import run_training
from fmkeras.recipes import find_recipe
from fmkeras.records import RUNS


def add_commands(add) -> None:
    """Declare quickstart; `add(name, run, text)` returns a parser."""
    parser = add(
        "quickstart",
        quickstart,
        "train a small network in a minute: start here",
    )
    parser.epilog = (
        "Where Fashion-MNIST is not found and cannot be downloaded, it trains on "
        "garments that it draws, and says so."
    )
    flags.add_backend(parser)
    flags.add_data_dir(parser)
    flags.add_seed(parser)


def quickstart(args) -> None:
    """Train a small network on what data there is, and say what to do next."""
    from fmkeras.datasets import DataNotFound, load_dataset

    try:
        dataset = load_dataset("fashion-mnist", args.data_dir)
    except DataNotFound as error:
        print(f"fmkeras: {error}", file=sys.stderr)
        print("=" * 72)
        print("STAND-IN DATA: training on garments drawn by this program. The figures")
        print("below say nothing about Fashion-MNIST.")
        print("=" * 72)
        dataset = load_dataset("garments")
    args.model, args.runs, args.resume = "lenet_relu", RUNS, None
    args.init_from = args.freeze = None
    args.out, args.save, args.data = "runs/quickstart", "always", dataset.name
    args.model_save, args.compact, args.trainings = True, False, 1
    recipe = find_recipe("default", "lenet_relu").replace(epochs=5)
    run = run_training(args, recipe, dataset, {})
    words = ["make", "evaluate", f"MODEL={run.artifact}"]
    if dataset.name != "fashion-mnist":
        words.append(f"DATA={dataset.name}")
    elif args.data_dir:
        words.append(f"DATA_DIR={args.data_dir}")
    print(f"Evaluate it again: {in_own_words(shlex.join(words))}")
