"""A run's model in the folder of saved models: put there, but not over a better one."""

import json
import shlex
import shutil
from pathlib import Path

from fmkeras.artifacts.pair import replacing_pair
from fmkeras.errors import UserError
from fmkeras.files import make_folder, write_json
from fmkeras.files.locks import folder_locked
from fmkeras.training.remake import remake_command
from fmkeras.training.replace import CHOICES, CURRENT, reason_to_stay


def publish_model(
    kept: Path, folder: str | Path, save: str, run: Path | None = None
) -> tuple[Path, str]:
    """Copy a run's model and card to `folder` as `save` says.

    `run` is the folder of the run, where that is not the file's own. Returns where the
    model is to be found, and a line that says why it is there.
    """
    _check_save(save)
    target = Path(folder) / kept.name
    if target.exists() and target.samefile(kept):
        return kept, ""
    run = shlex.quote(str(run or kept.parent))
    again = (
        f"make train RESUME={run} SAVE=always puts it there "
        f"(fmkeras train --resume {run} --save always)."
    )
    if save == "never":
        return kept, f"Not put into '{folder}', as asked. {again}"
    # Compared and replaced in one turn: another run may end at the same time.
    with folder_locked(make_folder(target.parent)):
        if reason := reason_to_stay(kept, target, save):
            return kept, f"'{target}' stays: {reason}. {again}"
        better = "It replaces one that was there." if target.exists() else ""
        with replacing_pair(target, take_lock=False) as (model_file, card_file):
            shutil.copyfile(kept, model_file)
            shutil.copyfile(kept.with_suffix(".json"), card_file)
    return target, better


def publish_card(kept: Path, folder: str | Path, save: str) -> tuple[Path, str]:
    """Put the card of a run's model into `folder` without the file, which is too large.

    Returns where the model is, and a line that says so. The card says how to make the
    file. A card that is there is replaced as `save` says; a file that is there stays,
    with its card.
    """
    _check_save(save)
    target = Path(folder) / kept.name
    where = f"The model is '{kept}'"
    if save == "never":
        return kept, f"{where}, its card not put into '{folder}', as asked."
    with folder_locked(make_folder(target.parent)):
        if reason := reason_to_stay(kept, target, save, card_alone=True):
            there = target if target.exists() else target.with_suffix(".json")
            return kept, f"{where}. '{there}' stays: {reason}."
        card = json.loads(kept.with_suffix(".json").read_text(encoding="utf-8"))
        path = target.with_suffix(".json")
        remake = remake_command(card, kept, path)
        write_json(path, card | {"file": None, "sha256": None, "remake": remake})
    return kept, f"{where}; '{folder}' has its card alone, so large is the file."


def _check_save(save: str) -> None:
    if save not in (*CHOICES, CURRENT):
        raise UserError(
            f"Bad save; expected one of {', '.join(CHOICES)}. Received: {save!r}"
        )
