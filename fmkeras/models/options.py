"""Checks of the arguments of `build_model`, each with an error of one line."""

from collections.abc import Sequence
from numbers import Integral, Real

from fmkeras.errors import UserError, did_you_mean, shown_value
from fmkeras.labels import IMAGE_SHAPE, NUM_CLASSES
from fmkeras.models.catalogue import ModelInfo
from fmkeras.models.initializers import INITIALIZERS

# Far beyond any of use on images of this size.
LARGEST_COUNT, MOST_LAYERS, HIGHEST_RATE = 65_536, 100, 0.99
# Of densenet, which halves its 24 pixels before each block but the first.
MOST_BLOCKS = 5
HEADS = ("logits", "probabilities")
PREPROCESSINGS = ("scale", "standardise", "symmetric")


def check_arguments(
    info: ModelInfo,
    *,
    num_classes=NUM_CLASSES,
    input_shape=IMAGE_SHAPE,
    preprocessing="scale",
    init="keras",
    seed=0,
    head="logits",
) -> None:
    """Raise `UserError` where a common argument of `build_model` is of no use."""
    if not _is_count(num_classes) or num_classes < 2:
        raise _error("num_classes", "a whole number of at least 2", num_classes)
    if (
        not isinstance(input_shape, Sequence)
        or len(input_shape) != 3
        or not all(_is_count(size) for size in input_shape)
    ):
        raise _error(
            "input_shape", "(height, width, channels), all above zero", input_shape
        )
    if min(input_shape[:2]) < info.smallest_input:
        smallest = info.smallest_input
        expected = f"images of {smallest} x {smallest} pixels or more for {info.name}"
        raise _error("input_shape", expected, input_shape)
    if preprocessing not in PREPROCESSINGS:
        raise _error("preprocessing", _one_of(PREPROCESSINGS), preprocessing)
    if head not in HEADS:
        raise _error("head", _one_of(HEADS), head)
    if init not in INITIALIZERS:
        raise _error("init", _one_of(INITIALIZERS), init)
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise _error("seed", "a whole number, zero or above", seed)


def check_options(info: ModelInfo, options: dict) -> None:
    """Raise `UserError` for options that the network lacks, or for their values."""
    for name, value in options.items():
        if name not in info.options:
            allowed = ", ".join(info.options) or "none"
            raise UserError(
                f"The network {info.name} has no such option; expected one of: "
                f"{allowed}; leave others out.{did_you_mean(name, info.options)} "
                f"Received: {name:.80}={shown_value(value)}"
            )
        expected, holds = _OPTIONS[name]
        if not holds(value):
            raise _error(name, expected, value)


def _is_count(value) -> bool:
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and 0 < value <= LARGEST_COUNT


def _are_counts(value) -> bool:
    return (
        isinstance(value, Sequence)
        and 0 < len(value) <= MOST_LAYERS
        and all(_is_count(count) for count in value)
    )


def _is_depth(value) -> bool:
    return _is_count(value) and value <= MOST_LAYERS


def _is_rate(value) -> bool:
    # Nearer to one, what is left is multiplied beyond what numbers can hold.
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and 0 <= value <= HIGHEST_RATE


def _is_residual_depth(value) -> bool:
    return _is_count(value) and 8 <= value <= 1_000 and value % 6 == 2


def _are_three_widths(value) -> bool:
    return _are_counts(value) and len(value) == 3


def _are_blocks(value) -> bool:
    return _are_counts(value) and len(value) <= MOST_BLOCKS


_COUNT = f"a whole number from 1 to {LARGEST_COUNT:,}"
_DEPTH = f"a whole number from 1 to {MOST_LAYERS}"
_COUNTS = f"whole numbers from 1 to {LARGEST_COUNT:,}, such as"
_BLOCKS = f"1 to {MOST_BLOCKS} {_COUNTS} (4, 4, 4, 4)"
_OPTIONS = {
    "blocks_per_stage": (_DEPTH, _is_depth),
    "convs_per_stage": (_DEPTH, _is_depth),
    "depth": ("6 n + 2, from 8 to 1,000", _is_residual_depth),
    "expansion": (_COUNT, _is_count),
    "stem": (_COUNT, _is_count),
    "width": (_COUNT, _is_count),
    "widths": ("three whole numbers above zero", _are_three_widths),
    "dropout": (f"a rate from 0 to {HIGHEST_RATE}", _is_rate),
    "growth": (_COUNT, _is_count),
    "layers_per_block": (_BLOCKS, _are_blocks),
    "hidden_units": (f"1 to {MOST_LAYERS} {_COUNTS} (256, 128, 64)", _are_counts),
}


def _one_of(names) -> str:
    return "one of " + ", ".join(names)


def _error(argument: str, expected: str, received) -> UserError:
    return UserError(
        f"Bad {argument}; expected {expected}. Received: {shown_value(received)}"
    )
