"""The files of one trial in the folder of a search: its plan and its outcome."""

import csv
import json
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.files import write_json

TRIALS = "trials"
PLAN = "plan.json"
OUTCOME = "outcome.json"
FINISHED, FAILED, RUNNING = "finished", "failed", "running"


def trial_folder(search: Path, trial_id: str) -> Path:
    """Return the folder of a trial; it is a run's folder too."""
    return search / TRIALS / trial_id


def write_plan(search: Path, trial_id: str, plan: dict) -> None:
    """Keep what a trial is to do: `values`; Hyperband's `epochs` and `earlier`."""
    write_json(trial_folder(search, trial_id) / PLAN, plan)


def read_plan(search: Path, trial_id: str) -> dict:
    """Return what `write_plan` kept; raise `UserError` where it is damaged."""
    return _read(trial_folder(search, trial_id) / PLAN, "values")


def write_outcome(search: Path, trial_id: str, outcome: dict) -> None:
    """Keep how a trial ended: `state`, and its figures or the `reason`."""
    write_json(trial_folder(search, trial_id) / OUTCOME, outcome)


def read_outcome(search: Path, trial_id: str) -> dict | None:
    """Return what `write_outcome` kept, None for a trial that has not ended.

    Raises `UserError` for a file that is damaged, as after a power cut or a full disk.
    """
    path = trial_folder(search, trial_id) / OUTCOME
    return _read(path, "state") if path.exists() else None


def read_history(search: Path, trial_id: str) -> list[dict[str, float]]:
    """Return the rows of a trial's history.csv so far, as numbers."""
    try:
        with open(trial_folder(search, trial_id) / "history.csv", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return []
    return [{name: float(value) for name, value in row.items()} for row in rows]


def _read(path: Path, key: str) -> dict:
    """Return the JSON object of a file, which has `key`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or key not in content:
            raise ValueError(f"no JSON object with '{key}'")
    except ValueError as error:
        raise UserError(
            f"The trial's file '{path}' is damaged ({error}); expected what the search "
            "wrote: restore it, or search again under another NAME."
        ) from error
    return content
