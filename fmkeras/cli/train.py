"""The commands train and quickstart."""

import argparse
import dataclasses
import inspect
import re
import sys
from pathlib import Path

from fmkeras.cli import flags
from fmkeras.cli.session import import_keras, load_data, print_device
from fmkeras.datasets.splits import limit_training
from fmkeras.errors import UserError
from fmkeras.recipes import (
    CHOICES,
    OPTIMIZERS,
    PUBLISHED,
    Recipe,
    complete_changes,
    find_options,
    find_recipe,
)
from fmkeras.records import SAVED_MODELS

# The short names that the Makefile uses.
ALIASES = {"batch_size": ["--batch"], "learning_rate": ["--lr"]}


def add_commands(add) -> None:
    """Declare quickstart and train; `add(name, run, text)` returns a parser."""
    quickstart_parser = add(
        "quickstart",
        quickstart,
        "train a small network in two minutes: start here",
    )
    quickstart_parser.epilog = (
        "Where Fashion-MNIST is not found and cannot be downloaded, it trains on "
        "garments that it draws, and says so."
    )
    flags.add_backend(quickstart_parser)
    flags.add_data_dir(quickstart_parser)
    flags.add_seed(quickstart_parser)

    train_parser = add("train", train, "train a network and save it")
    train_parser.usage = "%(prog)s --model NAME [option ...]"
    train_parser.epilog = "example: fmkeras train --model cnn --epochs 5 --backend jax"
    train_parser.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="see 'fmkeras models', or a .keras file whose architecture is trained",
    )
    train_parser.add_argument(
        "--init-from",
        metavar="NAME|FILE",
        help="begin with the weights of a .keras file, by its path or its name in "
        "saved_models; without --model it gives the network too",
    )
    train_parser.add_argument(
        "--freeze", metavar="LAYER", help="do not train the layers up to this one"
    )
    _add_training(train_parser)


def train(args) -> None:
    # Before the data, whose loading may take a while.
    model_options = _find_network(args)
    fields = [
        field.name for field in dataclasses.fields(Recipe) if field.name != "name"
    ]
    given = {name: getattr(args, name) for name in fields}
    changes = {name: value for name, value in given.items() if value is not None}
    recipe = find_recipe(args.recipe, args.model)
    changes = complete_changes(recipe, changes)
    if changes.get("data_split") == "full":
        changes = {"keep": "last"} | changes
    recipe = recipe.replace(**changes)
    if args.weight_decay and not recipe.weight_decay:
        print(
            f"With {recipe.optimizer} weight_decay is PyTorch's, an L2 term: l2 "
            f"{recipe.l2:g}."
        )
    out = args.out if args.model_save else None
    dataset = load_data(args)
    if args.limit is not None:
        dataset = limit_training(dataset, args.limit, args.seed)
    _run_training(args, recipe, dataset, model_options, out)


def _find_network(args) -> dict:
    """Set `args.model`, by the file to begin with if need be; return its options."""
    from fmkeras.models import list_models, list_own_models, model_info
    from fmkeras.models.options import check_options

    own = {"dropout": args.dropout, "hidden_units": args.hidden_units}
    own = {name: value for name, value in own.items() if value is not None}
    options = {}
    if args.model is None:
        if args.init_from is None:
            names = ", ".join(list_models())
            raise UserError(
                "Which network is to be trained? Expected --model NAME (make: "
                f"MODEL=NAME), one of: {names}; lenet is small and takes minutes, cnn "
                "is better."
            )
        import_keras()
        from fmkeras.artifacts.keras_file import find_artifact
        from fmkeras.artifacts.lookup import card_or_empty

        path = find_artifact(args.init_from, SAVED_MODELS)
        card = card_or_empty(path)
        args.model = str(path)
        if card.get("model") in (*list_models(variants=True), *list_own_models()):
            args.model, options = card["model"], card.get("options", {})
    if Path(args.model).suffix == ".keras":
        if own:
            raise UserError(
                "The network is given by its file, which has its own widths and rates; "
                f"leave them out. Received: {', '.join(own)}"
            )
        import_keras()
        from fmkeras.artifacts.keras_file import load_artifact

        load_artifact(args.model)
        return {}
    info = model_info(args.model)
    args.model = info.name
    options = options | find_options(args.recipe, args.model) | own
    check_options(info, options)
    return options


def quickstart(args) -> None:
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
    args.model, args.runs, args.resume = "cnn", "runs", None
    args.init_from = args.freeze = None
    recipe = find_recipe("default", "cnn").replace(epochs=5)
    run = _run_training(args, recipe, dataset, {}, "runs/quickstart")
    print(f"Evaluate it again: make evaluate MODEL={run.artifact}")


def _run_training(args, recipe: Recipe, dataset, model_options: dict, out: str | None):
    print_device()
    from fmkeras.datasets.splits import split_dataset
    from fmkeras.evaluation.text import evaluation_text
    from fmkeras.training.auto import resolve_execution
    from fmkeras.training.run import train as run_training
    from fmkeras.training.run_dir import TrainingInterrupted

    train_size = len(split_dataset(dataset, args.seed, recipe.data_split).train)
    execution = resolve_execution(recipe, args.model, train_size)
    print(
        f"{args.model} on {dataset.name} ({dataset.source}), "
        f"recipe {recipe.name}, {execution.precision}, seed {args.seed}",
        flush=True,
    )
    if execution.compile:
        print(
            "The training step is compiled first; this takes seconds to minutes, "
            "--compile no skips it.",
            flush=True,
        )
    try:
        run = run_training(
            args.model,
            recipe,
            dataset,
            seed=args.seed,
            model_options=model_options,
            execution=execution,
            out=out,
            runs=args.runs,
            resume=args.resume,
            init_from=args.init_from,
            freeze=args.freeze,
        )
    except TrainingInterrupted as interrupt:
        print(_interrupt_message(interrupt), flush=True)
        raise
    print(f"\nTest images, weights of epoch {run.record['kept_epoch']}:")
    print(evaluation_text(run.evaluation))
    if run.artifact is not None:
        card = run.artifact.with_suffix(".json").name
        print(f"Model: {run.artifact} (card: {card})")
    print(f"Run:   {run.folder}")
    return run


def _interrupt_message(interrupt) -> str:
    """Return how much of an interrupted training is kept, and what resumes it."""
    if not interrupt.epochs_done:
        return "\nInterrupted before the end of the first epoch: nothing was kept."
    folder = interrupt.run_dir
    return (
        f"\nInterrupted. Kept up to epoch {interrupt.epochs_done} in {folder}.\n"
        f"The same command with --resume {folder} goes on from there (make: "
        f"ARGS='--resume {folder}')."
    )


def _add_training(parser) -> None:
    parser.add_argument(
        "--limit",
        type=flags.whole_number,
        metavar="N",
        help="train on this many training images, of each class its share",
    )
    flags.add_backend(parser)
    flags.add_seed(parser)
    parser.add_argument(
        "--out",
        default=str(SAVED_MODELS),
        metavar="DIR",
        help="where the .keras file and its card go (default: saved_models)",
    )
    parser.add_argument(
        "--model-save",
        type=flags.true_or_false,
        default=True,
        metavar="True|False",
        help="whether to write the .keras file (default: True)",
    )
    parser.add_argument(
        "--runs",
        default="runs",
        metavar="DIR",
        help="folder that gets a subfolder for the run (default: runs)",
    )
    parser.add_argument(
        "--resume",
        metavar="DIR",
        help="go on with an interrupted run: its folder; the other flags as they were",
    )
    flags.add_data(parser)
    network = parser.add_argument_group("network")
    network.add_argument(
        "--dropout",
        type=flags.number,
        metavar="RATE",
        help="dropout rate, for networks that have dropout",
    )
    network.add_argument(
        "--hidden-units",
        action=flags.WholeNumbers,
        nargs="+",
        metavar="N",
        help="widths of the hidden layers of mlp",
    )
    recipe = parser.add_argument_group(
        "recipe",
        "How the network is trained. Each flag overrides a field of the recipe.",
    )
    recipe.add_argument(
        "--recipe",
        default="default",
        metavar="NAME|FILE",
        help="default (this project's own), published (that of its source), one "
        f"of {', '.join(PUBLISHED)}, or a .json file such as a run's config.json",
    )
    texts = _field_texts()
    for field in dataclasses.fields(Recipe):
        if field.name != "name":
            _add_field(recipe, field, texts.get(field.name))


def _add_field(group, field: dataclasses.Field, text: str | None) -> None:
    flag = "--" + field.name.replace("_", "-")
    if field.type is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        return
    choices = OPTIMIZERS if field.name == "optimizer" else CHOICES.get(field.name)
    kind, metavar = {int: (flags.whole_number, "N"), float: (flags.number, "X")}.get(
        field.type, (str, "|".join(choices or ["NAME"]))
    )
    group.add_argument(
        flag,
        *ALIASES.get(field.name, []),
        dest=field.name,
        type=kind,
        metavar=metavar,
        help=text,
    )


def _field_texts() -> dict[str, str]:
    """Return each field's description in the docstring of `Recipe`."""
    attributes = inspect.getdoc(Recipe).partition("Attributes:")[2]
    texts = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE)
    return {
        name: " ".join(text.split()).rstrip(".").replace("`", "").replace("%", "%%")
        for name, text in texts
    }
