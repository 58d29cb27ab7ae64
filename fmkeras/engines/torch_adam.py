"""Adam's update as one kernel of torch for all weights, where Keras's formula allows.

Keras's own update walks over every weight ten times. `torch._fused_adam_` does it in
one walk. Given a count of steps so large that its own correction of the bias vanishes,
and Keras's corrected rate in place of the learning rate, it computes Keras's formula.
"""

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import keras
import torch
from keras import ops

from fmkeras.engines.torch_layout import as_laid_out

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
    """The update of Keras's Adam or AdamW; l2 as `Engine` has it."""

    def __init__(self, optimizer: keras.optimizers.Adam, l2: float) -> None:
        self.optimizer = optimizer
        self.l2 = l2
        self.decay = float(optimizer.weight_decay or 0.0)

    def updates(self, count: int) -> Iterator[Callable]:
        """Yield the updates of the next `count` steps, to be called with gradients.

        They write the new weights and averages into the variables' own tensors.
        """
        optimizer = self.optimizer
        weights = _tensors(optimizer._trainable_variables)
        slots = [_tensors(optimizer._momentums), _tensors(optimizer._velocities), []]
        if optimizer.amsgrad:
            slots[2] = _tensors(optimizer._velocity_hats)
        steps = [torch.full((), _NO_CORRECTION, device=weights[0].device)]
        averages = []
        if optimizer.use_ema:
            averages = _tensors(optimizer._model_variables_moving_average)
        rates, kept = self._rates(count)

        def update(gradients, rate, kept, step):
            pairs = zip(gradients, weights, strict=True)
            gradients = [as_laid_out(gradient, weight) for gradient, weight in pairs]
            if self.decay:
                torch._foreach_mul_(weights, kept)
            torch._fused_adam_(
                weights,
                gradients,
                *slots,
                steps * len(weights),
                lr=rate,
                beta1=optimizer.beta_1,
                beta2=optimizer.beta_2,
                weight_decay=self.l2,
                eps=optimizer.epsilon,
                amsgrad=optimizer.amsgrad,
                maximize=False,
            )
            if averages:
                # The average begins as the weights after the first step.
                share = 1 - optimizer.ema_momentum if step else 1.0
                torch._foreach_lerp_(averages, weights, share)

        done = itertools.count(int(optimizer.iterations.value))
        for rate, left, step in zip(rates, kept, done, strict=False):
            yield partial(update, rate=rate, kept=left, step=step)
        optimizer.iterations.value.add_(count)

    def _rates(self, count: int) -> tuple[list[float], list[float]]:
        """Return of each step the corrected rate, and what decay leaves of a weight."""
        optimizer = self.optimizer
        first = optimizer.iterations.value.detach()

        def one(step):
            with keras.StatelessScope([(optimizer.iterations, step)]):
                return ops.cast(optimizer.learning_rate, "float32") + 0.0 * step

        done = first + torch.arange(count, device=first.device)
        rates = torch.vmap(one)(done)
        step = (done + 1).to(torch.float32)
        second = torch.sqrt(1 - torch.pow(optimizer.beta_2, step))
        corrected = rates * second / (1 - torch.pow(optimizer.beta_1, step))
        return corrected.tolist(), (1 - self.decay * rates).tolist()


def _tensors(variables) -> list[torch.Tensor]:
    return [variable.value.detach() for variable in variables]


def fuse_adam(optimizer, l2: float) -> FusedAdam | None:
    """Return the fused update of an optimizer; None where its formula is another."""
    parts = (keras.optimizers.Adam, keras.optimizers.AdamW)
    plain = (
        isinstance(optimizer, parts)
        and type(optimizer).__module__.startswith("keras.")
        and type(optimizer).__name__ in ("Adam", "AdamW")
        and all(getattr(optimizer, n, v) == v for n, v in _PLAIN.items())
        and not getattr(optimizer, "_exclude_from_weight_decay", None)
        and not getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
        and all(v.constraint is None for v in optimizer._trainable_variables)
        and all(v.dtype == "float32" for v in optimizer._trainable_variables)
    )
    return FusedAdam(optimizer, l2) if plain else None
