"""The command train: a network, a recipe and data from its flags, then one run."""

import argparse
import dataclasses
import functools
import hashlib
import os
from pathlib import Path

from fmkeras.backends import set_backend
from fmkeras.cli import flags
from fmkeras.cli.devices import count_devices, one_of_several, train_on_devices
from fmkeras.cli.one_run import DATA_ARGUMENTS, KEPT_ARGUMENTS, run_training
from fmkeras.cli.recipe_flags import add_recipe, given_fields
from fmkeras.cli.session import import_keras, load_data
from fmkeras.datasets import DATASET_NAMES
from fmkeras.datasets.splits import limit_training
from fmkeras.errors import UserError
from fmkeras.models import plain_name
from fmkeras.recipes import (
    Recipe,
    complete_changes,
    find_options,
    find_recipe,
    learns_alike,
    options_alike,
    precision_alike,
)
from fmkeras.records import RUNS, SAVED_MODELS
from fmkeras.text.values import value_text
from fmkeras.training.replace import CURRENT
from fmkeras.training.run_dir import read_config, resume_dir

# Data sets whose name tells the images.
_PUBLISHED_SETS = set(DATASET_NAMES) - {"csv", "garments"}


def add_commands(add) -> None:
    """Declare train; `add(name, run, text)` returns a parser."""
    parser = add("train", train, "train a network and save it")
    parser.usage = "%(prog)s --model NAME [option ...]"
    parser.epilog = "example: fmkeras train --model cnn --epochs 5 --backend jax"
    parser.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="see 'fmkeras models', or a .keras file whose architecture is trained; "
        "not needed with --resume",
    )
    parser.add_argument(
        "--init-from",
        metavar="NAME|FILE",
        help="begin with the weights of a .keras file, by its path or its name in "
        "saved_models; without --model it gives the network too",
    )
    parser.add_argument(
        "--freeze", metavar="LAYER", help="do not train the layers up to this one"
    )
    _add_training(parser)
    # None tells what was not given from a default: the settings of a run to resume.
    parser.set_defaults(seed=None, data=None, data_seed=None)


def _add_training(parser) -> None:
    # How many trainings of this length a command that started it has left, with it.
    parser.add_argument(
        "--trainings", type=flags.positive_number, default=1, help=argparse.SUPPRESS
    )
    # Of the zoo: see training/replace.py.
    parser.add_argument(
        "--replace-other-recipes",
        dest="save",
        action="store_const",
        const=CURRENT,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--limit",
        type=flags.whole_number,
        metavar="N",
        help="train on this many training images, of each class its share",
    )
    parser.add_argument(
        "--devices",
        type=flags.positive_number,
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
    flags.add_save(parser)
    flags.add_data(parser)
    # None, so that those of a run that goes on hold where they are not given.
    parser.set_defaults(resize=None, skip_bad=None, save=None, compact=None)
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
    add_recipe(parser)


def train(args) -> int | None:
    """Train here, or in a process for each device; return an exit code."""
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
    folder = resume_dir(args.resume, args.runs or RUNS)
    set_backend(read_config(folder).get("backend", os.environ["KERAS_BACKEND"]))
    return folder


def _train_here(args, folder: Path | None) -> None:
    """Train in this process, alone or as one of several."""
    if folder is None:
        _fill_defaults(args)
        # Before the data, whose loading may take a while.
        model_options = _find_network(args)
        recipe = _find_recipe(args)
    else:
        recipe, model_options = _settings_of_run(args, folder)
    if args.log:
        import_keras()
        from fmkeras.training.trackers import check_trackers

        check_trackers(args.log)
    if folder is not None:
        print(f"Going on with {folder}.", flush=True)
    dataset = load_data(args)
    if args.limit is not None:
        dataset = limit_training(dataset, args.limit, args.seed)
    run_training(args, recipe, dataset, model_options)


def recipe_of(args) -> Recipe:
    """Return the recipe that the flags of train name, with the fields they give."""
    recipe = find_recipe(args.recipe, args.model)
    changes = complete_changes(recipe, given_fields(args))
    if changes.get("data_split") == "full":
        changes = {"keep": "last"} | changes
    return recipe.replace(**changes)


def is_training_of(args, told: dict) -> bool:
    """Return whether a record, or the settings of a run, are of what `args` ask for.

    The recipe apart: network options, data, images, beginning and a precision that is
    asked for. What was not told, as in old records, is no difference.
    """
    options = find_options(args.recipe, args.model) | _own_options(args)
    if not options_alike(options, told.get("options")):
        return False
    if not precision_alike(args.precision, told):
        return False
    return _same_start(args, told.get("start") or {}) and _same_images(args, told)


def _same_start(args, start: dict) -> bool:
    """Return whether a training began as `args` say: that file, those frozen layers."""
    if bool(args.freeze) != ("frozen" in start):
        return False
    if start.get("frozen_up_to", args.freeze) != args.freeze:
        return False
    if not args.init_from:
        return "file" not in start
    import_keras()
    from fmkeras.artifacts.keras_file import find_artifact

    content = find_artifact(args.init_from, SAVED_MODELS).read_bytes()
    return hashlib.sha256(content).hexdigest() == start.get("sha256")


def _same_images(args, told: dict) -> bool:
    data = told.get("dataset", {})
    if args.data is None or args.data in _PUBLISHED_SETS:
        if data.get("name") != (args.data or "fashion-mnist"):
            return False
        # A limited data set says so where it says where it comes from.
        limited = f", {args.limit:,} of " if args.limit else " training images"
        return (limited in data.get("source", "")) == bool(args.limit)
    # Drawn, or of a path whose files may be others by now.
    values = [getattr(args, name) for name in DATA_ARGUMENTS]
    # The seed chooses the images that --limit leaves; all are the same for each.
    seed = 0 if args.limit is None else told.get("seed", 0)
    checksum = _checksum(tuple(values), seed)
    return data.get("checksum") in (None, checksum)


@functools.cache
def _checksum(values: tuple, seed: int) -> str:
    """Return the checksum of the images that data arguments and a seed stand for."""
    args = argparse.Namespace(**dict(zip(DATA_ARGUMENTS, values, strict=True)))
    args.data_seed = args.data_seed or 0
    dataset = load_data(args)
    if args.limit is not None:
        dataset = limit_training(dataset, args.limit, seed)
    return dataset.checksum


def _find_recipe(args) -> Recipe:
    """Return the recipe of the flags; say what weight_decay means where it does."""
    recipe = recipe_of(args)
    if args.weight_decay and not recipe.weight_decay:
        print(
            f"With {recipe.optimizer} weight_decay is PyTorch's, an L2 term: l2 "
            f"{value_text(recipe.l2)}."
        )
    return recipe


def _fill_defaults(args) -> None:
    """Give the flags that neither the user nor a run has set their defaults."""
    defaults = {"seed": 0, "data": "fashion-mnist", "data_seed": 0, "runs": RUNS}
    defaults |= {"out": str(SAVED_MODELS), "save": "better", "compact": False}
    for name, value in defaults.items():
        if getattr(args, name, None) is None:
            setattr(args, name, value)


def _settings_of_run(args, folder: Path) -> tuple[Recipe, dict]:
    """Return recipe and model options of a run to go on with; set its other settings.

    What its config.json says holds, but for flags that are given. Those that change the
    training are refused later, with the fields that differ.
    """
    config = read_config(folder)
    try:
        recipe = Recipe(**config["recipe"])
        changes = complete_changes(recipe, given_fields(args))
        recipe = dataclasses.replace(recipe, **changes)
        args.model = plain_name(args.model or config["model"])
        _check_named_recipe(args, recipe)
        kept = dict(config.get("arguments") or {})
        args.seed = config["seed"] if args.seed is None else args.seed
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
    args.resume = folder
    _fill_defaults(args)
    return recipe, model_options | _own_options(args)


def _check_named_recipe(args, recipe: Recipe) -> None:
    """Raise `UserError` where --recipe names another one than a run goes on by."""
    if args.recipe != "default" and not learns_alike(recipe_of(args), recipe):
        raise UserError(
            "The run that goes on has its own recipe; expected no --recipe (make: "
            f"RECIPE=): leave it out. Received: {args.recipe}"
        )


def _own_options(args) -> dict:
    """Return the options of the network whose flags were given."""
    own = {"dropout": args.dropout, "hidden_units": args.hidden_units}
    return {name: value for name, value in own.items() if value is not None}


def _find_network(args) -> dict:
    """Set `args.model`, by the file to begin with if need be; return its options."""
    from fmkeras.models import model_info
    from fmkeras.models.options import check_options

    own, options = _own_options(args), {}
    if args.model is None:
        options = _take_network_of_start(args)
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


def _take_network_of_start(args) -> dict:
    """Set `args.model` by the file that training begins with; return its options."""
    from fmkeras.models import list_models, list_own_models

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
    if card.get("model") in (*list_models(variants=True), *list_own_models()):
        args.model = card["model"]
        return card.get("options", {})
    args.model = str(path)
    return {}
