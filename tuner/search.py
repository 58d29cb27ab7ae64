"""A search in this process: KerasTuner asks for trials, `run_trial` trains them."""

import os
import time
from pathlib import Path

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import TrialStatus

from fmkeras.datasets import Dataset
from fmkeras.files.locks import Locked
from tuner.distributed.heartbeat import Heartbeat
from tuner.distributed.token import sign_calls
from tuner.oracles import (
    STATE,
    BayesianOracle,
    DurableOracle,
    GridOracle,
    HyperbandOracle,
    RandomOracle,
)
from tuner.settings import Settings
from tuner.trials.run import run_trial

# While others train what the next trial depends on.
IDLE_SECONDS = 0.5


def build_oracle(settings: Settings, folder: Path) -> DurableOracle:
    """Return the oracle of a search, as its folder holds it or at the start."""
    # KerasTuner takes 0 for no seed, and counts up from one number to the next.
    arguments = {"seed": (settings.seed * 10_007 + 1) % 2**31}
    if settings.search == "hyperband":
        kind, arguments["max_epochs"] = HyperbandOracle, settings.recipe.epochs
    else:
        kinds = {"grid": GridOracle, "random": RandomOracle, "bayesian": BayesianOracle}
        kind, arguments["max_trials"] = kinds[settings.search], settings.trials
    oracle = kind(settings.space, folder, settings.objective, **arguments)
    if (folder / STATE).exists():
        oracle.reload()
    return oracle


class Search(BaseTuner):
    """KerasTuner's tuner over this project's training.

    With KerasTuner's environment variables of a worker set, its oracle is the one of
    a chief on the same or another machine, which knows by `heart` that it lives.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        settings: Settings,
        dataset: Dataset,
        folder: Path,
        heart: Heartbeat | None = None,
    ) -> None:
        super().__init__(oracle, directory=str(folder.parent), project_name=folder.name)
        if self.oracle is not oracle:
            address = os.environ["KERASTUNER_ORACLE_IP"]
            port = os.environ["KERASTUNER_ORACLE_PORT"]
            sign_calls(self.oracle, f"{address}:{port}", folder)
        self.settings = settings
        self.dataset = dataset
        self.folder = folder
        self.heart = heart
        self._estimated = False

    def search(self) -> None:
        """Train trials until the oracle has no more."""
        while True:
            trial = self.oracle.create_trial(self.tuner_id)
            if trial.status == TrialStatus.STOPPED:
                return
            if trial.status == TrialStatus.IDLE:
                time.sleep(IDLE_SECONDS)
                continue
            self.run_trial(trial)
            self.oracle.end_trial(trial)

    def run_trial(self, trial) -> dict:
        if self.heart is not None:
            self.heart.trial = trial.trial_id
            self.heart.beat()
        estimated = self._trials_to_estimate(trial)
        while True:
            try:
                return run_trial(
                    self.settings, self.dataset, self.folder, trial.trial_id, estimated
                )
            except Locked:
                # A worker that was silent for long trains it still, to its outcome.
                time.sleep(IDLE_SECONDS)

    def _trials_to_estimate(self, trial) -> int:
        """Return how many trials are left, at the first one; then 0.

        Later ones are known from the trials that ended. Hyperband's have other
        numbers of epochs, and a worker knows only its own.
        """
        if self.heart is not None or self.settings.search == "hyperband":
            return 0
        if self._estimated:
            return 0
        self._estimated = True
        ended = len(self.oracle.trials) - 1
        return max(self.oracle.planned() - ended, 1)

    def save(self) -> None:
        """Nothing: the oracle saves itself, and a tuner has no state of its own."""
