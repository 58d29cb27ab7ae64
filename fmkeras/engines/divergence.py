"""Where a training that diverged went wrong, found without a cost to those that do not.

A compiled call makes many steps, and only then are their losses looked at. The state of
some seconds ago is kept; from it the steps are made again, one by one, up to the one
before the first bad loss, and the gradient is taken there.
"""

import math
import time

import numpy as np
from keras import ops

from fmkeras.errors import Diverged

# A copy of all variables takes a tenth of a second or less, and a hundredth of the time
# at most.
SECONDS_BETWEEN = 10.0
MOST_COPIES = 100


class RecentState:
    """A copy of everything that a step reads, from the same epoch."""

    def __init__(self) -> None:
        self.place: tuple[int, int] | None = None
        self._values: list[np.ndarray] = []
        self._random_state = np.zeros(0, np.uint8)
        self._time = self._seconds = 0.0

    def keep_if_due(self, engine, epoch: int, step: int) -> None:
        """Copy the state before a step, unless the copy there is of late."""
        since = time.monotonic() - self._time
        if self.place is not None and since < MOST_COPIES * self._seconds:
            # Of a large model on a GPU, whose epochs are short.
            return
        if self.place is None or self.place[0] != epoch or since > SECONDS_BETWEEN:
            began = time.monotonic()
            self.place = epoch, step
            self._values = [
                np.array(ops.convert_to_numpy(variable.value))
                for group in engine.variables()
                for variable in group
            ]
            self._random_state = engine.random_state()
            self._time = time.monotonic()
            self._seconds = self._time - began

    def restore(self, engine) -> None:
        """Give the engine back the state that was kept."""
        variables = [v for group in engine.variables() for v in group]
        for variable, value in zip(variables, self._values, strict=True):
            variable.assign(value)
        engine.set_random_state(self._random_state)

    def gradient_norm_before(self, engine, data, row, epoch: int, bad: int) -> str:
        """Say the norm of all gradients at the step before `bad`, or at `bad`.

        `row(step)` returns the indices and the augmentation's parameters of a step. The
        gradient of a loss that is no number is none either, so the one before tells
        more, where the state of before is kept.
        """
        kept_epoch, first = self.place
        last = bad
        if kept_epoch == epoch:
            self.restore(engine)
            last = max(bad - 1, first)
            for step in range(first, last):
                indices, params = row(step)
                engine._train_steps(data, indices[None], params[None])
        norm = gradient_norm(engine._gradients_of(data, *row(last)))
        where = " at the step before" if last < bad else ""
        return f"gradient norm {norm:.4g}{where}"


def gradient_norm(gradients) -> float:
    """Return the norm of all gradients together, computed in float64."""
    arrays = [np.asarray(ops.convert_to_numpy(g), np.float64) for g in gradients]
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(sum(float(np.sum(np.square(array))) for array in arrays))


def all_finite(variables) -> bool:
    """Say whether every value of the variables is a finite number."""
    return all(
        np.isfinite(np.asarray(ops.convert_to_numpy(v.value), np.float32)).all()
        for v in variables
    )


def diverged_after(epoch: int, what: str, rate: float) -> Diverged:
    """Return the error for an epoch whose steps were well and whose result is not."""
    return Diverged(
        f"After epoch {epoch + 1} {what} is not finite: training diverged; expected a "
        "finite number: lower the learning rate or clip the gradients. Received: "
        f"learning rate {rate:.4g}; the weights of this epoch are not kept"
    )
