"""Lines on how a search goes: done, running, left, the best so far, the time left."""

import time
from collections import deque
from collections.abc import Callable

from keras_tuner.engine.trial import Trial, TrialStatus

from fmkeras.text.durations import about
from fmkeras.text.values import value_text
from tuner.oracles import DurableOracle
from tuner.results.summary import best_row, trial_rows
from tuner.settings import Settings
from tuner.trials import files as trial_files

RECENT = 5


class Progress:
    """Says a line when a trial starts and when it ends."""

    def __init__(
        self,
        oracle: DurableOracle,
        settings: Settings,
        log: Callable[[str], None] = lambda line: print(line, flush=True),
    ) -> None:
        self.oracle = oracle
        self.settings = settings
        self.log = log
        # When the last trials ended: with the batch size, the pace changes.
        self._ends = deque([time.monotonic()], maxlen=RECENT + 1)

    def report(self, trial: Trial) -> None:
        """Say what a trial is to do, or how it ended and how the search stands."""
        plan = self.oracle.plan(trial)
        values = describe_values(plan["values"])
        if trial.status == TrialStatus.RUNNING:
            epochs = f", {plan['epochs']} epochs" if "epochs" in plan else ""
            self.log(f"Trial {trial.trial_id}: {values}{epochs}")
            return
        self._ends.append(time.monotonic())
        outcome = trial_files.read_outcome(self.oracle.folder, trial.trial_id)
        if outcome["state"] == trial_files.FAILED:
            self.log(f"Trial {trial.trial_id} failed: {outcome['reason']}")
        else:
            objective = self.settings.objective
            self.log(
                f"Trial {trial.trial_id}: {objective} {outcome[objective]:.4f} "
                f"at epoch {outcome['kept_epoch']}"
            )
        self.log(self.standing())

    def standing(self) -> str:
        """Return the line of the whole search."""
        rows = trial_rows(self.oracle)
        states = [row["state"] for row in rows]
        failed = states.count(trial_files.FAILED)
        done = states.count(trial_files.FINISHED) + failed
        running = states.count(trial_files.RUNNING)
        left = max(self.oracle.planned() - len(rows), 0)
        words = f"{done} done" + (f" ({failed} failed)" if failed else "")
        words += f", {running} running, {left} left"
        best = best_row(rows, self.settings)
        if best:
            objective = self.settings.objective
            words += (
                f"; best {objective} {best[objective]:.4f} (trial {best['trial']}: "
                f"{describe_values(best['values'])})"
            )
        if len(self._ends) > 1 and left + running:
            pace = (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)
            words += f"; {about(pace * (left + running))} left at this pace"
        return f"Search: {words}"


def describe_values(values: dict) -> str:
    """Return hyperparameters as words: batch_size 10, learning_rate 0.001."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items())
