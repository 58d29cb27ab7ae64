"""A run's model in the folder of saved models: put there, but not over a better one."""

import json
import shlex
import shutil
from pathlib import Path

from fmkeras.artifacts.keras_file import has_card, read_card
from fmkeras.artifacts.pair import replacing_pair
from fmkeras.errors import UserError
from fmkeras.files import write_json
from fmkeras.files.locks import folder_locked

CHOICES = ("better", "always", "never")
# What makes two validation subsets the same images.
_SAME_IMAGES = ("seed", "streams", "dataset.checksum", "recipe.data_split")


def publish_model(kept: Path, folder: str | Path, save: str) -> tuple[Path, str]:
    """Copy a run's model and card to `folder` as `save` says.

    Returns where the model is to be found, and a line that says why it is there.
    """
    if save not in CHOICES:
        raise UserError(
            f"Bad save; expected one of {', '.join(CHOICES)}. Received: {save!r}"
        )
    target = Path(folder) / kept.name
    if target.exists() and target.samefile(kept):
        return kept, ""
    run = shlex.quote(str(kept.parent))
    again = f"make train RESUME={run} SAVE=always puts it there."
    if save == "never":
        return kept, f"Not put into '{folder}', as asked. {again}"
    reason = "" if save == "always" else _reason_to_keep(kept, target)
    if reason:
        return kept, f"'{target}' stays: {reason}. {again}"
    better = "It replaces one that was there." if target.exists() else ""
    with replacing_pair(target) as (model_file, card_file):
        shutil.copyfile(kept, model_file)
        shutil.copyfile(kept.with_suffix(".json"), card_file)
    return target, better


def publish_card(kept: Path, folder: str | Path) -> tuple[Path, str]:
    """Put the card of a run's model into `folder` without the file, which is too large.

    Returns where the model is, and a line that says so. The card says how to make the
    file. A file of that name which is in `folder` stays, with its card.
    """
    target = Path(folder) / kept.name
    if target.exists():
        return kept, f"'{target}' stays."
    card = json.loads(kept.with_suffix(".json").read_text(encoding="utf-8"))
    remake = f"make zoo MODELS={card['model']}"
    made = {"file": None, "sha256": None, "remake": remake}
    with folder_locked(Path(folder)):
        write_json(target.with_suffix(".json"), card | made)
    return kept, f"'{folder}' has its card alone: the file is too large to be kept."


def _reason_to_keep(kept: Path, target: Path) -> str:
    """Return why the model at `target` stays; empty where the new one goes there."""
    if not target.exists():
        return ""
    try:
        if not has_card(target):
            return "it has no card to compare with"
        old, new = read_card(target), read_card(kept)
    except UserError:
        return "its card is damaged"
    figures = [card.get("validation", {}).get("accuracy") for card in (old, new)]
    if None in figures or any(_at(old, n) != _at(new, n) for n in _SAME_IMAGES):
        return "it was not validated on the same images"
    if figures[1] <= figures[0]:
        return (
            f"its validation accuracy is {figures[0]:.4f}, that of this run "
            f"{figures[1]:.4f}"
        )
    return ""


def _at(card: dict, name: str):
    for part in name.split("."):
        card = card.get(part) if isinstance(card, dict) else None
    return card
