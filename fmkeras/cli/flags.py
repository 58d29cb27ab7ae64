"""Flags that several commands share, and how their values are read."""

import argparse
import os
from collections.abc import Callable

from fmkeras.datasets import plain_data_name
from fmkeras.records import SAVED_MODELS


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
        help=f"device of all competitors (default: {default})",
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
        type=plain_data_name,
        default="fashion-mnist",
        metavar="NAME|PATH",
        help="fashion-mnist (the default), mnist, kmnist, emnist-letters, csv, "
        "garments (drawn here), or the path of your own: a folder with a folder of "
        "pictures a class, of IDX or CSV files, or an .npz file",
    )


def add_models_dir(parser) -> None:
    parser.add_argument(
        "--models-dir",
        default=str(SAVED_MODELS),
        metavar="DIR",
        help="folder of models given by name (default: saved_models)",
    )


def add_pixels(parser) -> None:
    parser.add_argument(
        "--pixels",
        choices=("0..255", "0..1", "-1..1", "standardised"),
        metavar="RANGE",
        help="what a model of another project was trained on: 0..255 (the default), "
        "0..1, -1..1 or standardised",
    )


def add_views(parser) -> None:
    parser.add_argument(
        "--views",
        choices=("none", "mirror", "mirror-shift"),
        default="none",
        metavar="none|mirror|mirror-shift",
        help="look at each image flipped, or flipped and moved by a pixel, too, and "
        "average the probabilities (default: none)",
    )


def add_seed(parser) -> None:
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="seed for the split, weights, batch order and dropout (default: 0)",
    )


def add_save(parser, better: str = "if it is better on the same validation images"):
    """Declare --save; `better` says in words when its default replaces a model."""
    parser.add_argument(
        "--save",
        choices=("better", "always", "never"),
        default="better",
        help=f"replace a model of the same name in --out: {better} (the default), "
        "always, or never",
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
        help="seed of drawn garments, and of choosing test images where your own "
        "data has none (default: 0)",
    )
    add_pictures(data)


def add_pictures(parser) -> None:
    parser.add_argument(
        "--resize",
        choices=("stretch", "predict"),
        default="stretch",
        help="how pictures of your own become 28 x 28: their sides stretched, or "
        "trimmed, shrunk, centred and inverted as predict does it (default: stretch)",
    )
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="skip pictures of your own that cannot be read, and list them",
    )


def whole_number(text: str) -> int:
    return _parse(int, text, "a whole number")


def at_least(least: int) -> Callable[[str], int]:
    """Return the type of a flag that takes whole numbers from `least` on."""

    def parse(text: str) -> int:
        number = whole_number(text)
        if number < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {least}. Received: {text!r}"
            )
        return number

    return parse


positive_number = at_least(1)
seed = at_least(0)


def number(text: str) -> float:
    return _parse(float, text, "a number")


class WholeNumbers(argparse.Action):
    """Takes `256,128,64` and `256 128 64` alike, as a tuple."""

    def __call__(self, parser, namespace, values, option_string=None):
        words = [word for value in values for word in value.split(",")]
        try:
            numbers = tuple(whole_number(word) for word in words)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self, str(error)) from error
        setattr(namespace, self.dest, numbers)


def true_or_false(text: str) -> bool:
    values = {"true": True, "false": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected True or False. Received: {text!r}")
    return values[text.lower()]


def _parse(kind: type, text: str, expected: str):
    try:
        return kind(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected {expected}. Received: {text!r}"
        ) from error
