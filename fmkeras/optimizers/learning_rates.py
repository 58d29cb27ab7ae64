"""The learning rate of each update, one by one, in float64.

Vectors of float32 cosines and powers round otherwise than their tails, on torch and
NumPy alike: rates computed for 60 updates at once differ in the last digit from those
computed one by one, and a training would depend on how its steps are put into calls.
"""

import math
from collections.abc import Callable

import keras

from fmkeras.keras_internals import learning_rate_setting


def learning_rate_function(optimizer) -> Callable[[int], float]:
    """Return the function from a number of updates done to the next one's rate.

    An optimizer with `scheduled_learning_rate`, such as `Ranger21`, is asked for it. A
    rate that is no schedule is read now: changes made later need a new function.
    Schedules other than those of the recipes are evaluated by Keras, in float32.
    """
    scheduled = getattr(optimizer, "scheduled_learning_rate", None)
    if scheduled is not None:
        return lambda step: _as_float(scheduled(step + 1))
    rate = learning_rate_setting(optimizer)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return schedule_function(rate)
    constant = _as_float(optimizer.learning_rate)
    return lambda step: constant


def schedule_function(schedule) -> Callable[[int], float]:
    """Return the function from a step, 0 being the first, to a schedule's rate."""
    schedules = keras.optimizers.schedules
    exact = getattr(schedule, "at_step", None)
    if exact is not None:
        return exact
    if type(schedule) is schedules.CosineDecay and schedule.warmup_target is None:
        return lambda step: _cosine(schedule, step)
    if type(schedule) is schedules.ExponentialDecay:
        return lambda step: _exponential(schedule, step)
    return lambda step: _as_float(schedule(step))


def _cosine(schedule, step: int) -> float:
    share = min(step, schedule.decay_steps) / schedule.decay_steps
    kept = 0.5 * (1 + math.cos(math.pi * share))
    kept = (1 - schedule.alpha) * kept + schedule.alpha
    return schedule.initial_learning_rate * kept


def _exponential(schedule, step: int) -> float:
    exponent = step / schedule.decay_steps
    if schedule.staircase:
        exponent = math.floor(exponent)
    return schedule.initial_learning_rate * schedule.decay_rate**exponent


def _as_float(value) -> float:
    return float(keras.ops.convert_to_numpy(value))
