"""The commands train and quickstart."""

import argparse
import dataclasses
import inspect
import os
import re
import sys
from pathlib import Path

from fmkeras.backends import set_backend
from fmkeras.cli import flags
from fmkeras.cli.devices import count_devices, one_of_several, train_on_devices
from fmkeras.cli.session import (
    import_keras,
    load_data,
    log_beside_bar,
    print_device,
)
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
from fmkeras.values import value_text

RUNS = "runs"
# How to find the data again.
DATA_ARGUMENTS = ("data", "data_dir", "data_seed", "train_size", "test_size", "limit")
# Of a run, beside its recipe: config.json keeps them for resuming.
KEPT_ARGUMENTS = (*DATA_ARGUMENTS, "out", "init_from", "freeze", "log")
# The epochs of --early-stopping without a number.
PATIENCE = 5
# The short names that the Makefile uses.
ALIASES = {"batch_size": ["--batch"], "learning_rate": ["--lr"]}


def add_commands(add) -> None:
    """Declare quickstart and train; `add(name, run, text)` returns a parser."""
    quickstart_parser = add(
        "quickstart",
        quickstart,
        "train a small network in a minute: start here",
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
        help="see 'fmkeras models', or a .keras file whose architecture is trained; "
        "not needed with --resume",
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
    # None tells what was not given from a default: the settings of a run to resume.
    train_parser.set_defaults(seed=None, data=None, data_seed=None)


def train(args) -> int | None:
    folder = None
    if args.resume is not None:
        folder = _find_run(args)
    count, on_gpus = count_devices(os.environ["KERAS_BACKEND"], args.devices)
    if count > 1:
        words = args.words
        if folder is not None:
            # By its name: `last` would be another run once this one has begun.
            words = [*words, "--resume", str(folder)]
        return train_on_devices(words, os.environ["KERAS_BACKEND"], count, on_gpus)
    with one_of_several(os.environ["KERAS_BACKEND"]):
        return _train_here(args, folder)


def _find_run(args) -> Path:
    """Return the folder of the run to go on with, and set its backend."""
    from fmkeras.training.run_dir import read_config, resume_dir

    folder = resume_dir(args.resume, args.runs or RUNS)
    set_backend(read_config(folder).get("backend", os.environ["KERAS_BACKEND"]))
    return folder


def _train_here(args, folder: Path | None) -> int | None:
    """Train in this process, alone or as one of several."""
    if folder is not None:
        return _resume(args)
    _fill_defaults(args)
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
            f"{value_text(recipe.l2)}."
        )
    _check_log(args)
    _run_training(args, recipe, _load_training_data(args), model_options)


def _check_log(args) -> None:
    if args.log:
        import_keras()
        from fmkeras.training.trackers import check_trackers

        check_trackers(args.log)


def _load_training_data(args):
    dataset = load_data(args)
    if args.limit is None:
        return dataset
    return limit_training(dataset, args.limit, args.seed)


def _fill_defaults(args) -> None:
    """Give the flags that neither the user nor a run has set their defaults."""
    defaults = {"seed": 0, "data": "fashion-mnist", "data_seed": 0, "runs": RUNS}
    defaults["out"] = str(SAVED_MODELS)
    for name, value in defaults.items():
        if getattr(args, name, None) is None:
            setattr(args, name, value)


def _resume(args) -> None:
    """Go on with a run: what its config.json says holds, but for flags that are given.

    Flags that change the training are then refused, with the fields that differ.
    """
    from fmkeras.training.run_dir import read_config, resume_dir

    folder = resume_dir(args.resume, args.runs or RUNS)
    config = read_config(folder)
    try:
        recipe = Recipe(**config["recipe"])
        kept = dict(config.get("arguments") or {})
        names = [field.name for field in dataclasses.fields(Recipe)]
        given = {name: getattr(args, name, None) for name in names if name != "name"}
        changes = {name: value for name, value in given.items() if value is not None}
        recipe = dataclasses.replace(recipe, **changes)
        args.seed = config["seed"] if args.seed is None else args.seed
        args.model = args.model or config["model"]
        model_options = dict(config["options"])
        set_backend(config["backend"])
        for name in KEPT_ARGUMENTS:
            if getattr(args, name) is None:
                setattr(args, name, kept.get(name))
        args.data = args.data or config["dataset"]["name"]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"The settings of the run '{folder}' are damaged; expected those that "
            f"training wrote: start it anew. Received: {error!r}"
        ) from error
    for name in ("dropout", "hidden_units"):
        if getattr(args, name) is not None:
            model_options[name] = getattr(args, name)
    args.resume = folder
    _fill_defaults(args)
    _check_log(args)
    print(f"Going on with {folder}.", flush=True)
    _run_training(args, recipe, _load_training_data(args), model_options)


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
    args.model, args.runs, args.resume = "lenet_relu", RUNS, None
    args.init_from = args.freeze = None
    args.out, args.save, args.data = "runs/quickstart", "always", dataset.name
    args.model_save, args.compact, args.trainings = True, False, 1
    recipe = find_recipe("default", "lenet_relu").replace(epochs=5)
    run = _run_training(args, recipe, dataset, {})
    print(f"Evaluate it again: make evaluate MODEL={run.artifact}")


def _run_training(args, recipe: Recipe, dataset, model_options: dict):
    import_keras()
    from fmkeras.engines import parallel

    print_device(parallel.current().count)
    kept = {name: getattr(args, name, None) for name in KEPT_ARGUMENTS}
    from fmkeras.datasets.splits import split_dataset
    from fmkeras.evaluation.text import evaluation_text
    from fmkeras.training.auto import find_execution
    from fmkeras.training.header import ParametersLine, header_lines
    from fmkeras.training.progress import TimeEstimate
    from fmkeras.training.run import train as run_training
    from fmkeras.training.run_dir import TrainingInterrupted

    split = split_dataset(dataset, args.seed, recipe.data_split)
    execution = find_execution(
        args.resume, recipe, args.model, len(split.train), measure=True
    )
    for line in header_lines(args.model, dataset, split, recipe, execution, args.seed):
        print(line, flush=True)
    if execution.compile:
        print(
            "The training step is compiled first; this takes seconds to minutes, "
            "--compile no skips it.",
            flush=True,
        )
    if args.resume is None:
        _name_interrupted_run(args.runs, args.model, recipe, args.seed)
    try:
        run = run_training(
            args.model,
            recipe,
            dataset,
            seed=args.seed,
            model_options=model_options,
            execution=execution,
            out=args.out if args.model_save else None,
            runs=args.runs,
            resume=args.resume,
            init_from=args.init_from,
            freeze=args.freeze,
            arguments=kept,
            save=args.save,
            compact=args.compact,
            log=getattr(args, "log", None) or (),
            callbacks=[
                ParametersLine(log_beside_bar),
                TimeEstimate(recipe.batch_size, log_beside_bar, args.trainings),
            ],
        )
    except TrainingInterrupted as interrupt:
        print(f"\n{interrupt}", flush=True)
        raise
    if run is None:
        return None
    print(f"\nTest images, weights of epoch {run.record['kept_epoch']}:")
    print(evaluation_text(run.evaluation))
    if run.artifact is not None:
        card = run.artifact.with_suffix(".json").name
        print(f"Model: {run.artifact} (card: {card})")
    print(f"Run:   {run.folder}")
    if run.note:
        print(run.note)
    return run


def _name_interrupted_run(runs: str, model: str, recipe: Recipe, seed: int) -> None:
    """Say where a run of the same settings was interrupted, if one was."""
    from fmkeras.training.run_dir import interrupted_runs, read_config, resume_text

    for folder in reversed(interrupted_runs(runs)):
        try:
            config = read_config(folder)
        except UserError:
            continue
        before = Recipe().to_dict() | dict(config.get("recipe") or {})
        same = (config.get("model"), before, config.get("seed"))
        if same == (model, recipe.to_dict(), seed):
            print(f"The same training was interrupted before: {resume_text(folder)}")
            return


def _add_training(parser) -> None:
    # How many trainings of this length a command that started it has left, with it.
    parser.add_argument(
        "--trainings", type=flags.positive_number, default=1, help=argparse.SUPPRESS
    )
    parser.add_argument(
        "--limit",
        type=flags.whole_number,
        metavar="N",
        help="train on this many training images, of each class its share",
    )
    parser.add_argument(
        "--devices",
        type=flags.whole_number,
        metavar="N",
        help="train on so many GPUs of this machine, or in so many processes on a CPU, "
        "each with its share of every batch (default: all GPUs, or one process)",
    )
    flags.add_backend(parser)
    flags.add_seed(parser)
    parser.add_argument(
        "--out",
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
        metavar="DIR",
        help="folder that gets a subfolder for the run (default: runs)",
    )
    parser.add_argument(
        "--resume",
        metavar="DIR",
        help="go on with an interrupted run: its folder, or last; needs nothing else",
    )
    parser.add_argument(
        "--log",
        nargs="+",
        metavar="NAME",
        help="log the run to mlflow, wandb or both too, in the folder of runs unless "
        "their own variables of the environment say otherwise",
    )
    parser.add_argument(
        "--compact",
        action="store_true",
        help="put a large model into --out with its weights rounded to as few bits as "
        "cost nothing on the validation images, and of a very large one the card alone",
    )
    parser.add_argument(
        "--save",
        choices=("better", "always", "never"),
        default="better",
        help="replace a model of the same name in --out: if it is better on the same "
        "validation images (the default), always, or never",
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
    if field.name == "early_stopping":
        group.add_argument(
            flag,
            dest=field.name,
            type=flags.whole_number,
            nargs="?",
            const=PATIENCE,
            metavar="N",
            help=f"{text} (without a number: {PATIENCE})",
        )
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
