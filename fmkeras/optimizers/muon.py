"""Muon for kernels of any number of axes, for Keras 3 on any backend.

Keras's own Muon leaves the kernels of convolutions, which have four axes, to AdamW.
This file and dense.py need nothing but Keras.
"""

import re

import keras
from keras import ops

from fmkeras.optimizers.dense import dense_gradient

# Of the published quintic iteration: it takes singular values from 0 to 1 to about 1.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_EPSILON = 1e-7


@keras.saving.register_keras_serializable(package="fmkeras")
class Muon(keras.optimizers.Optimizer):
    """Momentum whose update of each kernel is orthogonalised; SGD for other weights.

    Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024).
    A step with the gradient g of a kernel w, seen as a matrix of as many rows as it
    has outputs:

        m = momentum * m + (1 - momentum) * g
        u = newton_schulz((1 - momentum) * g + momentum * m)
        w = w - weight_decay * learning_rate * w
        w = w - learning_rate * sqrt(max(1, rows / columns)) * u

    as `torch.optim.Muon` computes it for matrices, in float32 where that takes
    bfloat16. Other weights get SGD with Nesterov momentum, as in airbench's use of
    Muon: m = momentum * m + g, w = w - rate * (g + momentum * m). Works in
    `model.fit`, eagerly and compiled.

    Args:
        learning_rate: a float, a schedule or a callable; of the kernels.
        momentum: of all weights.
        others_rate: the rate of the other weights, as a multiple of `learning_rate`.
        steps: Newton-Schulz iterations.
        exclude: a regular expression; kernels with such a path count as other weights.
            By default that is the last layer, where it is called logits, and depthwise
            kernels, which are no matrices, where their layer is called so: name yours.
        weight_decay: of all weights, times `learning_rate`.
        clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps,
            name: as in every Keras optimizer.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        learning_rate=0.02,
        momentum=0.95,
        others_rate=1.0,
        steps=5,
        exclude="logits|depthwise",
        weight_decay=None,
        name="muon",
        **kwargs,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        if not 0 <= momentum < 1:
            raise ValueError(
                "`momentum` must be from 0 up to, not including, 1. "
                f"Received: momentum={momentum!r}"
            )
        if not others_rate > 0:
            raise ValueError(
                f"`others_rate` must be above 0. Received: others_rate={others_rate!r}"
            )
        if not (isinstance(steps, int) and steps > 0):
            raise ValueError(
                f"`steps` must be a whole number above 0. Received: steps={steps!r}"
            )
        self.momentum = momentum
        self.others_rate = others_rate
        self.steps = steps
        self.exclude = exclude

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        (self._momentums,) = self.add_optimizer_variables(variables, ["momentum"])
        # Now, for on tensorflow a step sees variables that know no path.
        self._are_kernels = [self._is_kernel(variable) for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = dense_gradient(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        slot = self._momentums[index]
        beta = self.momentum
        if self._are_kernels[index]:
            # Before the assignment: on torch a tensor read from a variable is the
            # variable's own memory, which `assign` overwrites.
            momentum = beta * ops.convert_to_tensor(slot) + (1 - beta) * gradient
            outputs = variable.shape[-1]
            matrix = ops.reshape((1 - beta) * gradient + beta * momentum, (-1, outputs))
            inputs = matrix.shape[0]
            update = newton_schulz(matrix, self.steps)
            update = ops.reshape(update, variable.shape)
            rate = rate * max(1.0, outputs / inputs) ** 0.5
        else:
            momentum = beta * ops.convert_to_tensor(slot) + gradient
            update = gradient + beta * momentum
            rate = rate * self.others_rate
        self.assign(slot, momentum)
        self.assign_sub(variable, rate * update)

    def _is_kernel(self, variable) -> bool:
        excluded = self.exclude and re.search(self.exclude, variable.path)
        return len(variable.shape) > 1 and not excluded

    def get_config(self):
        own = ("momentum", "others_rate", "steps", "exclude")
        return super().get_config() | {name: getattr(self, name) for name in own}


def newton_schulz(matrix, steps: int = 5):
    """Return a matrix of nearly the same singular vectors, its singular values near 1.

    `matrix` is (m, n). Five steps leave the values between about 0.7 and 1.2, which
    is as good as orthogonal for the purpose.
    """
    # The products are of the shorter side.
    tall = matrix.shape[0] > matrix.shape[1]
    x = ops.transpose(matrix) if tall else matrix
    norm = ops.sqrt(ops.sum(ops.square(x)))
    x = x / ops.maximum(norm, _EPSILON)
    a, b, c = _COEFFICIENTS
    for _ in range(steps):
        gram = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * gram + c * ops.matmul(gram, gram), x)
    return ops.transpose(x) if tall else x
