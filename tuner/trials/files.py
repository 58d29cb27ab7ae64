"""The files of one trial in the folder of a search: its plan and its outcome."""

import csv
import re
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.files import write_json
from fmkeras.files.reading import read_json, read_text, reason_of
from fmkeras.files.schema import NUMBER, check

TRIALS = "trials"
PLAN = "plan.json"
OUTCOME = "outcome.json"
FINISHED, FAILED, RUNNING = "finished", "failed", "running"
HISTORY = {"val_accuracy", "seconds", "examples_per_second"}
_NONE = type(None)
PLAN_FORM = {"values": dict, "epochs?": int, "earlier?": (str, _NONE)}
OUTCOME_FORM = {
    "state": str,
    "reason?": (str, _NONE),
    "device?": (str, _NONE),
    "commit?": (str, _NONE),
}
FINISHED_FORM = {
    "kept_epoch": int,
    "val_accuracy": NUMBER,
    "val_loss": NUMBER,
    "parameters?": int,
}


def is_trial_id(trial_id: str) -> bool:
    """Say whether a text is the number of a trial, which becomes part of paths."""
    return re.fullmatch("[0-9]{1,9}", trial_id) is not None


def trial_folder(search: Path, trial_id: str) -> Path:
    """Return the folder of a trial; it is a run's folder too."""
    return search / TRIALS / trial_id


def write_plan(search: Path, trial_id: str, plan: dict) -> None:
    """Keep what a trial is to do: `values`; Hyperband's `epochs` and `earlier`."""
    write_json(trial_folder(search, trial_id) / PLAN, plan)


def read_plan(search: Path, trial_id: str) -> dict:
    """Return what `write_plan` kept; raise `UserError` where it is damaged."""
    return _read(trial_folder(search, trial_id) / PLAN, PLAN_FORM)


def write_outcome(search: Path, trial_id: str, outcome: dict) -> None:
    """Keep how a trial ended: `state`, and its figures or the `reason`."""
    write_json(trial_folder(search, trial_id) / OUTCOME, outcome)


def read_outcome(search: Path, trial_id: str) -> dict | None:
    """Return what `write_outcome` kept, None for a trial that has not ended.

    Raises `UserError` for a file that is damaged, as after a power cut or a full disk.
    """
    path = trial_folder(search, trial_id) / OUTCOME
    return _read(path, OUTCOME_FORM) if path.exists() else None


def read_history(search: Path, trial_id: str) -> list[dict[str, float]]:
    """Return the rows of a trial's history.csv so far, as numbers.

    Raises `UserError` as `read_outcome` does.
    """
    path = trial_folder(search, trial_id) / "history.csv"
    try:
        rows = list(csv.DictReader(read_text(path).splitlines()))
        found = [{name: float(value) for name, value in row.items()} for row in rows]
        lacking = [row for row in found if not HISTORY <= set(row)]
        if lacking:
            raise ValueError(f"it lacks {', '.join(sorted(HISTORY - set(lacking[0])))}")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"The trial's file '{path}' is damaged ({reason_of(error)}); expected what "
            "the search wrote: restore it, or search again under another NAME."
        ) from error
    return found


def _read(path: Path, form: dict) -> dict:
    """Return the JSON object of a file, of a form."""
    try:
        content = read_json(path, form)
        if content.get("state", RUNNING) not in (FINISHED, FAILED, RUNNING):
            raise ValueError(f"state is {content['state']!r:.80}")
        if content.get("earlier") and not is_trial_id(content["earlier"]):
            raise ValueError(f"no trial has the number {content['earlier']!r:.80}")
        if content.get("state") == FINISHED:
            check(content, FINISHED_FORM)
    except (OSError, ValueError) as error:
        raise UserError(
            f"The trial's file '{path}' is damaged ({reason_of(error)}); expected what "
            "the search wrote: restore it, or search again under another NAME."
        ) from error
    return content
