"""A learning rate that falls linearly to zero."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="fmkeras")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Step t (0, 1, ...) of `steps` gets (1 - t / steps) of `learning_rate`."""

    def __init__(self, learning_rate: float, steps: int) -> None:
        self.learning_rate = learning_rate
        self.steps = steps

    def __call__(self, step):
        left = 1.0 - ops.cast(step, "float32") / self.steps
        return self.learning_rate * ops.maximum(left, 0.0)

    def at_step(self, step: int) -> float:
        """Return the rate of a step in float64."""
        return self.learning_rate * max(1.0 - step / self.steps, 0.0)

    def get_config(self) -> dict:
        return {"learning_rate": self.learning_rate, "steps": self.steps}
