"""A linear warm-up in front of any schedule."""

import keras
from keras import ops

from fmkeras.optimizers.learning_rates import schedule_function


@keras.saving.register_keras_serializable(package="fmkeras")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Raises another schedule's learning rate linearly over the first steps.

    Step t (0, 1, ...) gets min(1, (t + 1) / steps) of what `schedule` gives. Written
    without a branch, unlike the warm-up of Keras's `CosineDecay`, so that a whole
    training step can be traced into one graph.
    """

    def __init__(self, schedule, steps: int) -> None:
        self.schedule = schedule
        self.steps = steps

    def __call__(self, step):
        share = (ops.cast(step, "float32") + 1) / max(self.steps, 1)
        return self.schedule(step) * ops.minimum(share, 1.0)

    def at_step(self, step: int) -> float:
        """Return the rate of a step in float64."""
        share = min((step + 1) / max(self.steps, 1), 1.0)
        return schedule_function(self.schedule)(step) * share

    def get_config(self) -> dict:
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict) -> "WarmUp":
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["steps"])
