"""A model's card: what it must look like, where every field may be missing."""

from pathlib import Path

from fmkeras.artifacts.pair import card_path
from fmkeras.errors import UserError
from fmkeras.files.reading import parse_json, read_bytes, reason_of
from fmkeras.files.schema import NUMBER, Map

LARGEST_CARD = 16 << 20
_TEXT_OR_NONE = (str, type(None))
_FIGURES = {"loss?": NUMBER, "accuracy?": NUMBER, "count?": int}
DATASET = {
    "name?": str,
    "checksum?": str,
    "source?": str,
    "train?": int,
    "validation?": int,
    "test?": int,
    "classes?": [str],
}
# A training in words and numbers: what cards, runs and records share.
TRAINING = {
    "model?": str,
    "options?": dict,
    "recipe?": {
        "name?": str,
        "epochs?": int,
        "batch_size?": int,
        "data_split?": str,
    },
    "preprocessing?": str,
    "seed?": int,
    "streams?": int,
    "backend?": str,
    "precision?": str,
    "dataset?": DATASET,
    # What training began with: see training/start.py.
    "start?": {
        "sha256?": str,
        "frozen?": [str],
        "frozen_up_to?": str,
        "elsewhere?": bool,
    },
    "device?": _TEXT_OR_NONE,
    "parameters?": int,
    "epochs?": int,
    "kept_epoch?": int,
    "seconds?": NUMBER,
    "history?": Map([(int, float)]),
    "train?": _FIGURES,
    "validation?": _FIGURES,
    "test?": _FIGURES | {"per_class?": Map(Map((int, float, type(None))))},
    "versions?": Map(_TEXT_OR_NONE),
    "commit?": _TEXT_OR_NONE,
    "began_at_commit?": _TEXT_OR_NONE,
    "command?": _TEXT_OR_NONE,
    "time?": _TEXT_OR_NONE,
    "platform?": _TEXT_OR_NONE,
}
CARD = TRAINING | {
    "name?": str,
    "pixels?": str,
    "classes?": [str],
    "input?": str,
    "output?": str,
    # None where the file is too large to be kept.
    "file?": _TEXT_OR_NONE,
    "bytes?": int,
    "sha256?": _TEXT_OR_NONE,
}


def parse_card(content: bytes) -> dict:
    """Return a card; raise `ValueError` where it is none, or a field is of no use."""
    card = parse_json(content, CARD)
    columns = card.get("history", {}).values()
    if len({len(column) for column in columns}) > 1:
        raise ValueError("its history has columns of other lengths")
    if card.get("seed", 0) < 0:
        raise ValueError(f"its seed is {card['seed']}; expected one of at least 0")
    return card


def is_from_elsewhere(card: dict) -> bool:
    """Say whether weights, or those they began with, were not trained by this project.

    The card of a file without one is empty.
    """
    begun_elsewhere = card.get("start", {}).get("elsewhere", False)
    return "imported" in card or not card.get("recipe") or begun_elsewhere


def read_card_of(model: Path) -> dict:
    """Return the card of a model file; raise `UserError` if missing or damaged.

    The file itself may be missing, as where the card alone is stored.
    """
    path = card_path(model)
    if not path.exists():
        raise UserError(f"There is no card '{path}' beside the model.")
    try:
        return parse_card(read_bytes(path, LARGEST_CARD))
    except (OSError, ValueError) as error:
        raise UserError(
            f"The card '{path}' is damaged ({reason_of(error)}); expected a JSON "
            "object as training writes it: restore it, or move it away."
        ) from error


def has_card(path: Path) -> bool:
    """Say whether a card lies beside a model file.

    A JSON file without a SHA-256 is no card, but another project's own.
    """
    try:
        card = parse_json(read_bytes(card_path(path), LARGEST_CARD))
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return isinstance(card, dict) and isinstance(card.get("sha256"), str)
