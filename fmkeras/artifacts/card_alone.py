"""Models too large for the folder of saved models, which has their card alone."""

import functools
import sys
from pathlib import Path

from fmkeras.artifacts.card import read_card_of
from fmkeras.artifacts.pair import card_path
from fmkeras.errors import UserError
from fmkeras.recipes import trained_alike
from fmkeras.records import RUNS

# A run's folder, of `fmkeras train` and of `fmkeras zoo`.
_PLACES = ("*", "zoo/*/*")


def find_in_runs(path: Path, card: dict, runs: str | Path = RUNS) -> Path | None:
    """Return the file of a card alone, as a run of this machine has kept it.

    It is of the newest run that ended and is of the card's network, recipe, seed and
    data; None where there is none. A line on stderr names it.

    Args:
        path: where the file would lie beside the card.
        card: its content.
        runs: the folder of runs.
    """
    found = [
        file
        for place in _PLACES
        for file in Path(runs).glob(f"{place}/{path.name}")
        if (file.parent / "record.json").exists() and _is_of(file, card)
    ]
    if not found:
        return None
    newest = max(found, key=lambda file: file.parent.name)
    _tell(path, newest)
    return newest


def _is_of(file: Path, card: dict) -> bool:
    """Say whether the card of a run's file tells of the training that `card` does."""
    try:
        own = read_card_of(file)
    except UserError:
        return False
    return (
        trained_alike(own, card)
        and own.get("seed") == card.get("seed")
        and own.get("dataset", {}).get("checksum")
        == card.get("dataset", {}).get("checksum")
    )


@functools.cache
def _tell(path: Path, file: Path) -> None:
    print(
        f"fmkeras: '{card_path(path)}' is a card alone, '{file}' is opened.",
        file=sys.stderr,
    )
