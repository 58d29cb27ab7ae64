"""KerasTuner's four ways to choose trials, made to survive a kill at any moment.

KerasTuner keeps an oracle in several files, written in place, and its grid not at all.
Here everything is one file, `oracle.json`, moved into place whenever a trial starts or
ends; a trial in it is running, finished or failed, never two of these or none.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import keras_tuner
import numpy as np
from keras_tuner import synchronized
from keras_tuner.engine.trial import Trial, TrialStatus
from sklearn.exceptions import ConvergenceWarning

from fmkeras.errors import UserError
from fmkeras.files import write_json
from fmkeras.files.reading import read_json, reason_of
from fmkeras.files.schema import Map
from fmkeras.seeds import stream_seed
from tuner.spaces.keras_tuner import EARLIER, EPOCHS, decode, encode, to_keras_tuner
from tuner.spaces.space import Space, grid
from tuner.trials import files as trial_files

STATE = "oracle.json"
OBJECTIVES = {"val_accuracy": "max", "val_loss": "min"}
_TRIAL = {"trial_id": str, "hyperparameters": dict, "metrics": dict, "status": str}
_STATUSES = tuple(
    getattr(TrialStatus, name) for name in vars(TrialStatus) if name.isupper()
)
FORM = {
    "trials": Map(_TRIAL),
    "ongoing_trials": Map(str),
    "hyperparameters": dict,
    "start_order": [str],
    "end_order": [str],
    "run_times": Map(int),
    "retry_queue": [str],
    "tried_so_far": [str],
    "id_to_hash": Map((str, type(None))),
    "seed_state": int,
    "display": dict,
}
# Draws that meet a trial there was before, until a space counts as exhausted.
COLLISIONS = 1_000


class DurableOracle(keras_tuner.Oracle):
    """What the four kinds share: one file, each trial counted once, exact figures.

    KerasTuner's messages between machines carry floats of 32 bits and no reason of a
    failure. So a trial's values and its outcome go through files in its folder.
    """

    def __init__(self, space: Space, folder: Path, objective: str, **arguments) -> None:
        super().__init__(
            objective=keras_tuner.Objective(objective, OBJECTIVES[objective]),
            hyperparameters=to_keras_tuner(space),
            allow_new_entries=False,
            tune_new_entries=False,
            # A bad corner of a space may hold many trials that fail in a row.
            max_consecutive_failed_trials=None,
            **arguments,
        )
        self.space = space
        self.folder = Path(folder)
        self.verbose = 0
        self.on_change: Callable[[Trial], None] = lambda trial: None
        self._max_collisions = COLLISIONS

    def planned(self) -> int:
        """How many trials the search will have, if its space holds so many."""
        return self.max_trials

    def plan(self, trial: Trial) -> dict:
        """Return what a trial is to do: `values`; Hyperband's `epochs`, `earlier`."""
        codes = trial.hyperparameters.values
        plan = {"values": decode(self.space, codes)}
        if EPOCHS in codes:
            plan |= {"epochs": codes[EPOCHS], "earlier": codes.get(EARLIER)}
        return plan

    def is_open(self) -> bool:
        """Say whether there are trials that began and have not ended."""
        return bool(self.ongoing_trials or self._retry_queue)

    def protected_trials(self) -> set[str]:
        """The trials whose checkpoint a later one may go on from."""
        return set()

    @synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        known = set(self.trials)
        trial = super().create_trial(tuner_id)
        if trial.status == TrialStatus.RUNNING:
            trial_files.write_plan(self.folder, trial.trial_id, self.plan(trial))
            if trial.trial_id not in known:
                self.on_change(trial)
        elif trial.status == TrialStatus.STOPPED and self.is_open():
            # Stay: a trial comes back if the worker that has it dies.
            trial.status = TrialStatus.IDLE
            self.tuner_ids.add(tuner_id)
        return trial

    @synchronized
    def end_trial(self, trial: Trial) -> None:
        # A worker that was taken for dead may report a trial a second time.
        if trial.trial_id in self.end_order:
            return
        # Or it reports what was about to be given to another.
        if trial.trial_id in self._retry_queue:
            self._retry_queue.remove(trial.trial_id)
        trial.hyperparameters = self.trials[trial.trial_id].hyperparameters
        outcome = trial_files.read_outcome(self.folder, trial.trial_id)
        done = outcome["state"] == trial_files.FINISHED
        trial.status = TrialStatus.COMPLETED if done else TrialStatus.FAILED
        trial.message = outcome.get("reason")
        super().end_trial(trial)
        self.on_change(self.trials[trial.trial_id])

    @synchronized
    def release(self, tuner_ids) -> None:
        """Let others go on with the trials of all tuners but `tuner_ids`."""
        for tuner_id in set(self.ongoing_trials) - set(tuner_ids):
            self._retry_queue.append(self.ongoing_trials.pop(tuner_id).trial_id)
        self.tuner_ids &= set(tuner_ids)

    def score_trial(self, trial: Trial) -> None:
        outcome = trial_files.read_outcome(self.folder, trial.trial_id)
        trial.score = outcome[self.objective.name]
        trial.best_step = outcome["kept_epoch"]

    def save(self) -> None:
        write_json(self.folder / STATE, self.get_state())

    def reload(self) -> None:
        """Go on from the file; raise `UserError` where it cannot be read."""
        path = self.folder / STATE
        try:
            state = read_json(path, FORM)
            _check_trials(state)
            self.set_state(state)
            for trial in self.trials.values():
                # Its values are among those of the space.
                self.plan(trial)
        except Exception as error:  # KerasTuner raises what its parts happen to.
            raise UserError(
                f"The search's file '{path}' cannot be read ({reason_of(error)}); "
                "expected what an earlier search wrote: give another NAME."
            ) from error

    def get_state(self) -> dict:
        state = super().get_state()
        state["trials"] = {i: trial.get_state() for i, trial in self.trials.items()}
        state["ongoing_trials"] = {
            tuner_id: trial.trial_id
            for tuner_id, trial in self.ongoing_trials.items()
            if trial.status == TrialStatus.RUNNING
        }
        return state

    def set_state(self, state: dict) -> None:
        trials = state["trials"]
        self.trials = {i: Trial.from_state(trial) for i, trial in trials.items()}
        super().set_state(state)

    def _save_trial(self, trial: Trial) -> None:
        """Nothing: `save` writes every trial."""


class GridOracle(DurableOracle):
    """Every combination once, in order; KerasTuner's own waits between two workers."""

    def __init__(self, space, folder, objective, max_trials=None, **arguments) -> None:
        by_name = {h.name: h for h in space.hyperparameters}
        self._grid = [
            {name: encode(by_name[name], value) for name, value in values.items()}
            for values in grid(space.hyperparameters)
        ]
        count = min(len(self._grid), max_trials or len(self._grid))
        super().__init__(space, folder, objective, max_trials=count, **arguments)

    def populate_space(self, trial_id: str) -> dict:
        return {"status": TrialStatus.RUNNING, "values": self._grid[int(trial_id)]}


class RandomOracle(DurableOracle, keras_tuner.oracles.RandomSearchOracle):
    """Values drawn one by one, none twice."""


class BayesianOracle(DurableOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """A Gaussian process of the trials so far; draws that depend on their number."""

    def populate_space(self, trial_id: str) -> dict:
        self._random_state = np.random.RandomState(
            stream_seed("search", self.seed, int(trial_id)) % 2**32
        )
        with warnings.catch_warnings():
            # Of the kernel's bounds: with few trials it has little to go by.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().populate_space(trial_id)


class HyperbandOracle(DurableOracle, keras_tuner.oracles.HyperbandOracle):
    """Many trials of few epochs; the best of them go on with more."""

    def planned(self) -> int:
        return sum(
            self._get_size(bracket, number)
            for bracket in range(self._get_num_brackets())
            for number in range(self._get_num_rounds(bracket))
        )

    def protected_trials(self) -> set[str]:
        return {i["id"] for b in self._brackets for r in b["rounds"] for i in r}


def _check_trials(state: dict) -> None:
    """Raise `ValueError` for trials that this search cannot have; ids become paths."""
    trials = state["trials"]
    for trial_id, trial in trials.items():
        if trial["trial_id"] != trial_id or not trial_files.is_trial_id(trial_id):
            raise ValueError(f"no trial has the number {trial_id!r:.80}")
        if trial["status"] not in _STATUSES:
            raise ValueError(f"no trial has the status {trial['status']!r:.80}")
    named = [*state["ongoing_trials"].values(), *state["start_order"]]
    for trial_id in [*named, *state["end_order"], *state["retry_queue"]]:
        if trial_id not in trials:
            raise ValueError(f"it names a trial that it lacks: {trial_id!r:.80}")
