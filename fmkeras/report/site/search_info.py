"""What the page of one search tells, computed before anything is drawn."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmkeras.errors import UserError
from fmkeras.files.reading import read_json, reason_of
from fmkeras.files.schema import NUMBER
from fmkeras.text.values import value_text

# With fewer trials a forest explains chance.
FEWEST_TRIALS = 5
TREES = 200
_NONE = type(None)
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
# Of a search's record, as far as pages and tables read it.
SEARCH = {
    "model": str,
    "backend": str,
    "search": str,
    "space": {"name": str, "hyperparameters": dict},
    "planned": int,
    "best?": (str, _NONE),
    "trials": [
        {
            "trial": str,
            "state": str,
            "values": dict,
            "val_accuracy": (NUMBER, _NONE),
            "val_accuracies?": [NUMBER],
            "kept_epoch?": (int, _NONE),
            "epochs": int,
            "seconds?": (NUMBER, _NONE),
            "examples_per_second": (NUMBER, _NONE),
        }
    ],
}


@dataclass(frozen=True)
class Choice:
    """One hyperparameter: `scale` is values, linear or log; `values` those tried.

    Values are in the order of the space, or of size where the space is a range.
    """

    name: str
    scale: str
    values: list

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    @property
    def texts(self) -> list[str]:
        return [value_text(value) for value in self.values]


@dataclass(frozen=True)
class SearchTrial:
    """One trial: `values` by the name of the choice, absent where it was not active.

    `accuracy` is that of the kept epoch, 0 to 1, None where the trial did not finish;
    `accuracies` are those of all epochs.
    """

    name: str
    state: str
    reason: str | None
    values: dict
    accuracy: float | None
    accuracies: list[float]
    kept_epoch: int | None
    epochs: int
    seconds: float | None
    rate: float | None


@dataclass(frozen=True)
class SearchInfo:
    """One search.

    Attributes:
        name: of the search, and of its page.
        facts: (name, value) pairs in words.
        choices: the hyperparameters.
        trials: in the order of their numbers.
        best: the best trial's name; None where none finished.
        importances: (choice, share of the variance), the largest first; empty where
            there are too few trials or choices to tell.
        heat_map: the picture that the search left, None without one.
    """

    name: str
    facts: list[tuple[str, str]]
    choices: list[Choice]
    trials: list[SearchTrial]
    best: str | None
    importances: list[tuple[Choice, float]]
    heat_map: Path | None

    @property
    def finished(self) -> list[SearchTrial]:
        return [trial for trial in self.trials if trial.accuracy is not None]


def read_searches(
    records: str | Path, runs: Iterable[str | Path] = ()
) -> list["SearchInfo"]:
    """Return a `SearchInfo` for each search: those on record, and those of `runs`.

    A search is on record as tune-NAME.json in `records`; one in a folder of runs is
    tune-NAME/trials.json, and is left out where the record has its name. A damaged
    file is named on stderr and left out: it does not keep the others from their pages.
    """
    found = {
        path.stem.removeprefix("tune-"): path
        for path in sorted(Path(records).glob("tune-*.json"))
    }
    for root in runs:
        for path in sorted(Path(root).glob("**/tune-*/trials.json")):
            found.setdefault(path.parent.name.removeprefix("tune-"), path)
    searches = []
    for name, path in sorted(found.items()):
        try:
            searches.append(read_search(name, path))
        except UserError as error:
            print(f"fmkeras: Left out of the report: {error}", file=sys.stderr)
    return searches


def read_search(name: str, path: Path) -> SearchInfo:
    """Return what one record, or the trials.json of one search, tells."""
    try:
        record = read_json(path, SEARCH)
        trials = [_trial(row) for row in record["trials"]]
        space = record["space"]["hyperparameters"]
        choices = [_choice(key, told, trials) for key, told in space.items()]
        facts = _facts(record, trials)
        finished = [trial for trial in trials if trial.accuracy is not None]
        shares = importances(choices, finished)
    except _DAMAGE as error:
        raise UserError(
            f"The search '{path}' is damaged ({reason_of(error)}); "
            "expected what make tune wrote: restore it, or move it away."
        ) from error
    in_runs = path.name == "trials.json"
    picture = path.with_name("heat-map.png") if in_runs else path.with_suffix(".png")
    best = max(finished, key=lambda trial: trial.accuracy, default=None)
    return SearchInfo(
        name=name,
        facts=facts,
        choices=choices,
        trials=trials,
        best=record.get("best") or (best and best.name),
        importances=shares,
        heat_map=picture if picture.exists() else None,
    )


def importances(
    choices: list[Choice], trials: list[SearchTrial]
) -> list[tuple[Choice, float]]:
    """Return how much of the accuracy's variance a random forest ascribes to each.

    The mean decrease in impurity, as Optuna's evaluator of that name has it. A choice
    of values that are no numbers is a column a value, whose shares are added up.
    """
    from sklearn.ensemble import RandomForestRegressor

    accuracies = np.array([trial.accuracy for trial in trials])
    varied = [choice for choice in choices if len(choice.values) > 1]
    if len(trials) < FEWEST_TRIALS or len(varied) < 2 or not np.ptp(accuracies):
        return []
    columns, owners = [], []
    for choice in varied:
        for column in _columns(choice, trials):
            columns.append(column)
            owners.append(choice)
    forest = RandomForestRegressor(TREES, random_state=0)
    forest.fit(np.stack(columns, axis=1), accuracies)
    shares = {choice.name: 0.0 for choice in varied}
    for choice, share in zip(owners, forest.feature_importances_, strict=True):
        shares[choice.name] += float(share)
    found = [(choice, shares[choice.name]) for choice in varied]
    return sorted(found, key=lambda pair: -pair[1])


def is_number(value) -> bool:
    """Say whether a value of a choice lies on an axis of numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _columns(choice: Choice, trials: list[SearchTrial]) -> list[np.ndarray]:
    values = [trial.values.get(choice.name) for trial in trials]
    told = [value for value in values if value is not None]
    if all(map(is_number, told)):
        # What a trial did not have lies below all that others had.
        low = min(told) - 1
        return [np.array([low if value is None else value for value in values])]
    texts = [value_text(value) for value in values]
    return [np.array([text == one for text in texts], float) for one in choice.texts]


def _choice(name: str, told: list | dict, trials: list[SearchTrial]) -> Choice:
    tried = [trial.values[name] for trial in trials if name in trial.values]
    tried = [value for value in tried if value is not None]
    if isinstance(told, dict) and "values" not in told:
        return Choice(name, told.get("sampling", "linear"), sorted(set(tried)))
    order = told if isinstance(told, list) else told["values"]
    return Choice(name, "values", [value for value in order if value in tried])


def _trial(row: dict) -> SearchTrial:
    finished = row["state"] == "finished"
    return SearchTrial(
        name=row["trial"],
        state=row["state"],
        reason=row.get("reason"),
        values=row["values"],
        accuracy=row["val_accuracy"] if finished else None,
        accuracies=row.get("val_accuracies", []),
        kept_epoch=row.get("kept_epoch"),
        epochs=row["epochs"],
        seconds=row.get("seconds"),
        rate=row.get("examples_per_second"),
    )


def _facts(record: dict, trials: list[SearchTrial]) -> list[tuple[str, str]]:
    states = [trial.state for trial in trials]
    best = max((trial.accuracy or 0 for trial in trials), default=0)
    seconds = sum(trial.seconds or 0 for trial in trials)
    time = (
        f"{seconds / 3600:.1f} hours" if seconds > 3600 else f"{seconds / 60:.1f} min"
    )
    devices = {row["device"] for row in record["trials"] if row.get("device")}
    facts = [
        ("Network", record["model"]),
        ("Space", record["space"]["name"]),
        ("Search", record["search"]),
        ("Trials finished", f"{states.count('finished')} of {record['planned']}"),
        ("Trials failed", str(states.count("failed")) if "failed" in states else ""),
        ("Best validation accuracy", f"{100 * best:.2f} %" if best else ""),
        ("Training, all trials", time if seconds else ""),
        ("Data", record.get("data", {}).get("data", "")),
        ("Backend", record["backend"]),
        ("Device", ", ".join(sorted(devices))),
    ]
    return [(name, value) for name, value in facts if value]
