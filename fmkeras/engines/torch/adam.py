"""Adam's update as one kernel of torch for all weights.

Keras's update, and that of `TorchAdam`, read every weight ten times;
`torch._fused_adam_` reads it once. It computes the formula of `TorchAdam`. It also
computes that of Keras's Adam, given a step count so large that its own bias correction
vanishes, and Keras's corrected learning rate.
"""

from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import torch

from fmkeras.engines.torch.layout import outputs_first
from fmkeras.keras_internals import (
    adam_state,
    decays_every_weight,
    is_function_rate,
    is_stock_optimizer,
)
from fmkeras.optimizers import TorchAdam
from fmkeras.optimizers.learning_rates import learning_rate_function

_PLAIN = {
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
_NO_CORRECTION = 1e9


class FusedAdam:
    """The update of Keras's Adam, AdamW or `TorchAdam`, with the engine's `l2`."""

    def __init__(self, optimizer: keras.optimizers.Optimizer, l2: float) -> None:
        self.optimizer = optimizer
        self.as_torch = type(optimizer) is TorchAdam
        self.l2 = l2 + optimizer.l2 if self.as_torch else l2
        self.decay = float(optimizer.weight_decay or 0.0)

    def updates(self, count: int) -> list[Callable]:
        """Return one function of the gradients for each of the next `count` steps.

        Each writes the new weights and moving averages into the variables' own tensors.
        The optimizer's `iterations` counts the steps as done at once.
        """
        optimizer = self.optimizer
        weights, *slots, averages = map(_tensors, adam_state(optimizer))
        steps = torch.full((), _NO_CORRECTION, device=weights[0].device)

        def update(gradients, step, scales):
            rate, kept = scales
            gradients = [outputs_first(g).contiguous() for g in gradients]
            if self.decay:
                torch._foreach_mul_(weights, kept)
            if self.as_torch:
                steps.fill_(step + 1)
            torch._fused_adam_(
                weights,
                gradients,
                *slots,
                [steps] * len(weights),
                lr=rate,
                beta1=optimizer.beta_1,
                beta2=optimizer.beta_2,
                weight_decay=self.l2,
                eps=optimizer.epsilon,
                amsgrad=optimizer.amsgrad,
                maximize=False,
            )
            if averages:
                # The average starts as the weights after the first step.
                share = 1 - optimizer.ema_momentum if step else 1.0
                torch._foreach_lerp_(averages, weights, share)

        first = int(optimizer.iterations.value)
        optimizer.iterations.value.add_(count)
        rate = learning_rate_function(optimizer)
        return [
            partial(update, step=step, scales=self._corrected(rate(step), step + 1))
            for step in range(first, first + count)
        ]

    def _corrected(self, rate: float, step: int) -> tuple[float, float]:
        """Return the kernel's rate of a step, from 1, and what decay leaves.

        The powers are float32, one by one: 1 - 0.999 rounds there by 1e-5, as it does
        in Keras's own update.
        """
        kept = 1 - self.decay * rate
        if self.as_torch:
            return rate, kept
        one, number = np.float32(1), np.float32(step)
        second = np.sqrt(one - np.float32(self.optimizer.beta_2) ** number)
        first = one - np.float32(self.optimizer.beta_1) ** number
        return rate * float(second) / float(first), kept


def _tensors(variables) -> list[torch.Tensor]:
    # In the order of their memory; the kernel would copy any other first.
    return [outputs_first(variable.value.detach()) for variable in variables]


def fuse_adam(optimizer, l2: float) -> FusedAdam | None:
    """Return the fused update of an optimizer; None where its formula is another."""
    stock = any(is_stock_optimizer(optimizer, name) for name in ("Adam", "AdamW"))
    plain = (
        (stock or type(optimizer) is TorchAdam)
        and all(getattr(optimizer, n, v) == v for n, v in _PLAIN.items())
        and decays_every_weight(optimizer)
    )
    if not plain or is_function_rate(optimizer):
        # A function may look at `iterations`, which counts many steps at once here.
        return None
    weights = adam_state(optimizer).weights
    plain = all(v.constraint is None and v.dtype == "float32" for v in weights)
    return FusedAdam(optimizer, l2) if plain else None
