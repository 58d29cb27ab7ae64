"""RMSprop as PyTorch computes it, for Keras 3 on any backend.

Keras's own adds `epsilon` under the root of the second moment, PyTorch outside it, and
their defaults of the memory differ (0.9 and 0.99). This file and dense.py need nothing
but Keras.
"""

import keras
from keras import ops

from fmkeras.optimizers.dense import dense_gradient


@keras.saving.register_keras_serializable(package="fmkeras")
class TorchRMSprop(keras.optimizers.Optimizer):
    """`torch.optim.RMSprop`, without momentum and not centred.

    Each step, on the weight w and its gradient g:

        g = g + l2 * w
        v = rho * v + (1 - rho) * g ** 2
        w = w - learning_rate * g / (sqrt(v) + epsilon)

    after Tieleman and Hinton, lecture 6.5 of 'Neural Networks for Machine Learning'
    (2012). Works in `model.fit`, eagerly and compiled.

    Args:
        learning_rate: a float, a schedule or a callable.
        rho: memory of the second moment; PyTorch calls it `alpha`.
        epsilon: added to the root of the second moment.
        l2: what PyTorch calls `weight_decay`: l2 * w is added to the gradient.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps,
            name: as in every Keras optimizer.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        learning_rate=1e-2,
        rho=0.99,
        epsilon=1e-8,
        l2=0.0,
        name="torch_rmsprop",
        **kwargs,
    ):
        super().__init__(learning_rate, name=name, **kwargs)
        if not 0 <= rho < 1:
            raise ValueError(
                f"`rho` must be from 0 up to, not including, 1. Received: rho={rho!r}"
            )
        for label, value in (("epsilon", epsilon), ("l2", l2)):
            if not value >= 0:
                raise ValueError(
                    f"`{label}` must be at least 0. Received: {label}={value!r}"
                )
        self.rho = rho
        self.epsilon = epsilon
        self.l2 = l2

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._velocities = self.add_optimizer_variables(variables, "velocity")

    def update_step(self, gradient, variable, learning_rate):
        slot = self._velocities[self._get_variable_index(variable)]
        weight, velocity = _tensor(variable), _tensor(slot)
        gradient = dense_gradient(gradient, "float32")
        if self.l2:
            gradient = gradient + self.l2 * weight
        velocity = self.rho * velocity + (1 - self.rho) * ops.square(gradient)
        rate = ops.cast(learning_rate, "float32")
        weight = weight - rate * gradient / (ops.sqrt(velocity) + self.epsilon)
        self.assign(slot, velocity)
        self.assign(variable, weight)

    def get_config(self):
        return super().get_config() | {
            "rho": self.rho,
            "epsilon": self.epsilon,
            "l2": self.l2,
        }


def _tensor(variable):
    return ops.cast(ops.convert_to_tensor(variable), "float32")
