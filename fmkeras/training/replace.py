"""Whether a run's model replaces the one in the folder of saved models.

Without keras, so that `make zoo` can ask before and after it starts a training.
"""

from pathlib import Path

from fmkeras.artifacts.card import has_card, read_card_of
from fmkeras.artifacts.pair import card_path
from fmkeras.errors import UserError
from fmkeras.recipes import trained_alike

CHOICES = ("better", "always", "never")
# Of the zoo: as better, but what another recipe trained is replaced, whatever it has.
CURRENT = "current"
# Of models whose file has more bytes the card alone is stored.
LARGEST_STORED = 150_000_000
# What makes two validation subsets the same images.
_SAME_IMAGES = ("seed", "streams", "dataset.checksum", "recipe.data_split")


def is_card_alone(size: int) -> bool:
    """Say whether a model whose file has so many bytes is stored as a card alone."""
    return size > LARGEST_STORED


def reason_to_stay(
    kept: Path, target: Path, save: str, card_alone: bool = False
) -> str:
    """Return why what is at `target` stays; empty where a run's model goes there.

    Args:
        kept: the model's file in the folder of the run, with its card beside it.
        target: the file of that name in the folder of saved models.
        save: better, always, or `CURRENT`.
        card_alone: the card goes there without the file, which is too large.
    """
    if card_alone and target.exists():
        return "it is a file, and this run's is too large to be stored: move it away"
    if save == "always":
        return ""
    if not target.exists() and not (card_alone and card_path(target).exists()):
        return ""
    try:
        if target.exists() and not has_card(target):
            return "it has no card to compare with"
        old, new = read_card_of(target), read_card_of(kept)
    except UserError:
        return "its card is damaged"
    if not target.exists() and not old.get("remake"):
        # The card of a file that is gone.
        return ""
    if save == CURRENT and old.get("recipe") and not _of_one_recipe(old, new):
        return ""
    figures = [card.get("validation", {}).get("accuracy") for card in (old, new)]
    if None in figures or any(_at(old, n) != _at(new, n) for n in _SAME_IMAGES):
        return "it was not validated on the same images"
    if figures[1] <= figures[0]:
        return (
            f"its validation accuracy is {figures[0]:.4f}, that of this run "
            f"{figures[1]:.4f}"
        )
    return ""


def _of_one_recipe(old: dict, new: dict) -> bool:
    """Say whether two cards tell of one network, recipe and beginning.

    Seed and data may differ.

    An architecture that was corrected since is another network.
    """
    parameters = old.get("parameters")
    same_size = parameters in (None, new.get("parameters"))
    return same_size and trained_alike(old, new)


def _at(card: dict, name: str):
    for part in name.split("."):
        card = card.get(part) if isinstance(card, dict) else None
    return card
