"""A run's model in the folder of saved models: put there, but not over a better one."""

import shlex
import shutil
from pathlib import Path

from fmkeras.artifacts.keras_file import has_card, read_card
from fmkeras.artifacts.pair import replacing_pair
from fmkeras.errors import UserError

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
