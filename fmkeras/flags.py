"""Flags that several commands share, and how their values are read."""

import argparse
import dataclasses
import inspect
import os
import re

from fmkeras.recipes import CHOICES, OPTIMIZERS, PUBLISHED, Recipe

DATASETS = ("fashion-mnist", "csv", "garments")
# The short names that the Makefile uses.
ALIASES = {"batch_size": ["--batch"], "learning_rate": ["--lr"]}


def add_backend(parser) -> None:
    parser.add_argument(
        "--backend",
        default=os.environ.get("KERAS_BACKEND") or "torch",
        metavar="NAME",
        help="torch, tensorflow or jax (default: $KERAS_BACKEND, else torch)",
    )


def add_device(parser, default: str) -> None:
    parser.add_argument(
        "--device",
        choices=("cpu", "gpu"),
        default=default,
        metavar="cpu|gpu",
        help=f"what all contestants compute on (default: {default})",
    )


def add_data_dir(parser) -> None:
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="the folder of the data; for csv also TRAIN.csv,TEST.csv (default: "
        "$FMKERAS_DATA, else the usual places, else a download)",
    )


def add_data_name(parser) -> None:
    parser.add_argument(
        "--data",
        choices=DATASETS,
        default="fashion-mnist",
        metavar="NAME",
        help="fashion-mnist (the default), csv (your files) or garments (drawn here)",
    )


def add_models_dir(parser) -> None:
    parser.add_argument(
        "--models-dir",
        default="saved_models",
        metavar="DIR",
        help="where names are looked up (default: saved_models)",
    )


def add_seed(parser) -> None:
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="of the split, weights, order and dropout (default: 0)",
    )


def add_data(parser) -> None:
    data = parser.add_argument_group("data")
    add_data_name(data)
    add_data_dir(data)
    for part, name in (("train", "training"), ("test", "test")):
        data.add_argument(
            f"--{part}-size",
            type=whole_number,
            metavar="N",
            help=f"how many {name} images to draw (garments only)",
        )
    data.add_argument(
        "--data-seed",
        type=seed,
        default=0,
        metavar="N",
        help="of the drawing (garments only; default: 0)",
    )


def add_training(parser) -> None:
    add_backend(parser)
    add_seed(parser)
    parser.add_argument(
        "--out",
        "--model-save",
        default="saved_models",
        metavar="DIR",
        help="where the .keras file and its card go (default: saved_models)",
    )
    parser.add_argument(
        "--runs",
        default="runs",
        metavar="DIR",
        help="where the run gets a folder of its own (default: runs)",
    )
    parser.add_argument(
        "--resume",
        metavar="DIR",
        help="go on with an interrupted run: its folder; the other flags as they were",
    )
    add_data(parser)
    network = parser.add_argument_group("network")
    network.add_argument(
        "--dropout", type=_number, metavar="RATE", help="of networks that have it"
    )
    network.add_argument(
        "--hidden-units",
        type=_whole_numbers,
        metavar="N,N,...",
        help="widths of the hidden layers of mlp",
    )
    recipe = parser.add_argument_group(
        "recipe",
        "How the network is trained. A field that is not given is the recipe's.",
    )
    recipe.add_argument(
        "--recipe",
        default="default",
        metavar="NAME|FILE",
        help="default (our own for the network), published (that of its source), one "
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
    kind, metavar = {int: (whole_number, "N"), float: (_number, "X")}.get(
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
    """What the docstring of `Recipe` says of each field."""
    attributes = inspect.getdoc(Recipe).partition("Attributes:")[2]
    texts = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE)
    return {
        name: " ".join(text.split()).rstrip(".").replace("`", "").replace("%", "%%")
        for name, text in texts
    }


def whole_number(text: str) -> int:
    return _parse(int, text, "a whole number")


def positive_number(text: str) -> int:
    number = whole_number(text)
    if number < 1:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 1. Received: {text!r}"
        )
    return number


def _number(text: str) -> float:
    return _parse(float, text, "a number")


def _whole_numbers(text: str) -> tuple[int, ...]:
    words = text.split(",")
    return tuple(_parse(int, word, "whole numbers and commas") for word in words)


def seed(text: str) -> int:
    seed = whole_number(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 0. Received: {text!r}"
        )
    return seed


def _parse(kind: type, text: str, expected: str):
    try:
        return kind(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected {expected}. Received: {text!r}"
        ) from error
