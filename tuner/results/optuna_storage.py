"""A search as an Optuna study in SQLite, which optuna-dashboard opens."""

import datetime
import importlib.util
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.files import replacing
from tuner.trials import files as trial_files

# Of Optuna's categories only these; a list of units becomes its text.
PLAIN = (bool, int, float, str)
DIRECTIONS = {"val_accuracy": "maximize", "val_loss": "minimize"}


def check_optuna() -> None:
    """Raise `UserError` where Optuna is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise UserError(
            "Optuna is not installed; expected the package: pip install optuna "
            "optuna-dashboard ('make tune-export' installs both). Received: no optuna"
        )


def write_storage(record: dict, name: str, path: Path) -> int:
    """Write the study `name` to a new SQLite file; return its number of trials.

    `record` is a search's trials.json. Choices keep their values and ranges,
    accuracies by epoch become intermediate values, and what Optuna has no place for
    becomes attributes. A search keeps how long each trial trained, not when: the times
    in the study lay trials one after the other, the last one ending with the search.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    objective = record["objective"]
    with replacing(path) as temporary:
        temporary.unlink()
        storage = optuna.storages.RDBStorage(f"sqlite:///{temporary}")
        study = optuna.create_study(
            storage=storage, study_name=name, direction=DIRECTIONS[objective]
        )
        for key in ("objective", "model", "backend", "search", "seed", "commit"):
            study.set_user_attr(key, record.get(key))
        study.set_user_attr("space", record["space"]["name"])
        study.set_user_attr("recipe", record.get("recipe"))
        study.add_trials(_trials(record))
        # SQLite's own files beside it are gone once it is closed.
        storage.engine.dispose()
    return len(record["trials"])


def _trials(record: dict) -> list:
    end = datetime.datetime.fromisoformat(record["time"]).astimezone()
    end = end.replace(tzinfo=None)
    spent = sum(row["seconds"] for row in record["trials"])
    start = end - datetime.timedelta(seconds=spent)
    trials = []
    for number, row in enumerate(record["trials"]):
        trials.append(_trial(record, row, number, start))
        start += datetime.timedelta(seconds=row["seconds"])
    return trials


def _trial(record: dict, row: dict, number: int, start: datetime.datetime):
    from optuna.trial import FrozenTrial, TrialState

    objective = record["objective"]
    states = {
        trial_files.FINISHED: TrialState.COMPLETE,
        trial_files.FAILED: TrialState.FAIL,
        trial_files.RUNNING: TrialState.RUNNING,
    }
    state = states[row["state"]]
    ended = start + datetime.timedelta(seconds=row["seconds"])
    params = {
        key: _plain(value) for key, value in row["values"].items() if value is not None
    }
    space = record["space"]["hyperparameters"]
    # Of accuracies alone there is a value an epoch.
    by_epoch = row["val_accuracies"] if objective == "val_accuracy" else ()
    return FrozenTrial(
        number=number,
        trial_id=-1,
        state=state,
        value=row[objective] if state == TrialState.COMPLETE else None,
        datetime_start=start,
        datetime_complete=None if state == TrialState.RUNNING else ended,
        params=params,
        distributions={key: _distribution(space[key], params[key]) for key in params},
        user_attrs={
            key: row.get(key)
            for key in (
                *("reason", "val_accuracy", "val_loss", "kept_epoch", "epochs"),
                *("seconds", "examples_per_second", "device", "commit"),
            )
            if row.get(key) is not None
        },
        system_attrs={},
        intermediate_values=dict(enumerate(by_epoch, 1)),
    )


def _distribution(told: list | dict, value):
    """Return the distribution that a choice of the space is; see `Space.to_dict`."""
    from optuna import distributions

    if isinstance(told, list) or "values" in told:
        values = told if isinstance(told, list) else told["values"]
        return distributions.CategoricalDistribution([_plain(v) for v in values])
    low, high, log = told["min"], told["max"], told["sampling"] == "log"
    if all(isinstance(number, int) for number in (low, high, value)):
        return distributions.IntDistribution(low, high, log=log)
    return distributions.FloatDistribution(low, high, log=log)


def _plain(value):
    return value if isinstance(value, PLAIN) else "-".join(map(str, value))
