"""The record of a speed run: which runs belong together, and where they are kept."""

import re
from pathlib import Path

from fmkeras.benchmark.speedrun.goals import LEAST_RUNS
from fmkeras.errors import UserError
from fmkeras.files import write_json
from fmkeras.files.schema import NUMBER
from fmkeras.records import read_record

RECORD = {
    "goal": {"bar": NUMBER, "model": str, "options": dict, "recipe": dict},
    "backend": str,
    "device": str,
    "dataset": {"name": str, "checksum": str},
    "commit": (str, type(None)),
    "versions": dict,
    "time": str,
    "runs": [{"kind": str, "seed": int, "seconds": NUMBER, "accuracy": NUMBER}],
}


def find_or_create(
    folder: Path, name: str, settings: dict, facts: dict
) -> tuple[Path, dict]:
    """Return the record that a speed run goes on with, or a new one, and its path.

    A record goes on with the same settings, commit and versions, whatever its file is
    called. Of changed code, which no commit names, each command has its own. A new
    record never takes the name of another.

    Args:
        folder: of the records.
        name: of the goal.
        settings: goal, backend, device, data set and the number of runs planned.
        facts: see `provenance`.
    """
    same = {**settings, "commit": facts["commit"], "versions": facts["versions"]}
    if is_known(facts["commit"]):
        for path in sorted(folder.glob("*.json")):
            found = read_speed_record(path)
            found["planned"] = planned_runs(found)
            if all(found.get(key) == value for key, value in same.items()):
                return path, found
    data = settings["dataset"]["name"]
    words = [name, settings["backend"], _plain(settings["device"])]
    words += [] if data == "fashion-mnist" else [_plain(data)]
    stem = "-".join([*words, short_commit(facts["commit"])])
    path, number = folder / f"{stem}.json", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.json"
    return path, {**settings, **facts, "runs": []}


def add_run(path: Path, record: dict, run: dict) -> None:
    """Add a run to a record and its file.

    Raises `UserError` for a run of other code than the record's, and where the file
    holds other runs than the record: neither is mixed or written over.
    """
    if run["commit"] != record["commit"]:
        raise UserError(
            "The code changed during the speed run; expected that of commit "
            f"{short_commit(record['commit'])}, as the record has: start the command "
            f"again, for a record of its own. Received: {short_commit(run['commit'])}"
        )
    kept = read_speed_record(path)["runs"] if path.exists() else []
    if kept != record["runs"]:
        raise UserError(
            f"The record '{path}' was changed during the speed run; expected its "
            f"{len(record['runs'])} runs, which are not written over: start the "
            f"command again when no other is at it. Received: {len(kept)} runs"
        )
    record["runs"].append(run)
    write_json(path, record)


def read_speed_record(path: Path) -> dict:
    """Return a record; raise `UserError` where it is damaged."""
    return read_record(path, RECORD, "a speed run")


def planned_runs(record: dict) -> int:
    """Return how many runs of ours a record was to have, told before the first."""
    return record.get("planned", LEAST_RUNS)


def is_known(commit: str | None) -> bool:
    """Say whether a commit tells all of the code: there is one, and no change of it."""
    return commit is not None and not commit.endswith("-dirty")


def short_commit(commit: str | None) -> str:
    """Return the seven digits of a commit, with '-dirty' where code was changed."""
    if commit is None:
        return "unknown"
    digits, dirty, _ = commit.partition("-dirty")
    return digits[:7] + dirty


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
