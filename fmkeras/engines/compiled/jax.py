"""Steps of any model on jax: jit with donated state."""

import jax
import jax.numpy as jnp
import keras
import numpy as np

from fmkeras.engines.compiled.base import CompiledEngine, compute_step
from fmkeras.engines.refusals import not_traced


class JaxCompiledEngine(CompiledEngine):
    """The state goes in as arrays and comes out as arrays; the variables follow."""

    def __init__(self, model) -> None:
        super().__init__(model)
        self._train = jax.jit(self._train_step, donate_argnums=0)
        self._evaluate = jax.jit(self._evaluate_step, donate_argnums=1)

    def to_device(self, arrays):
        return [jnp.asarray(part) for part in arrays.parts()]

    def train_steps(self, data, batches):
        return self._run(self._groups(), self._train, data, batches)

    def evaluate_steps(self, data, batches):
        trainable, others, _ = self._groups()
        weights = [variable.value for variable in trainable]

        def evaluate(state, data, numbers):
            return self._evaluate(weights, state, data, numbers)

        return self._run([others], evaluate, data, batches)

    def predict(self, images, batch_size=None):
        return self.model.predict(images, batch_size=batch_size, verbose=0)

    def _groups(self):
        optimizer = list(self.model.optimizer.variables)
        return [self.model.trainable_variables, self.other_variables(), optimizer]

    def _run(self, groups, step, data, batches):
        # Copies, for a step takes its arrays for itself: where one is interrupted, the
        # variables are as they were before these steps.
        state = [[jnp.copy(variable.value) for variable in group] for group in groups]
        losses = []
        for numbers in batches:
            try:
                state, loss = step(state, data, numbers)
            except (TypeError, ValueError) as error:  # jax's errors of tracing
                raise not_traced(self.model, error) from error
            losses.append(loss)
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return np.asarray(losses)

    def _train_step(self, state, data, numbers):
        trainable, others, slots = state
        batch = [part[numbers] for part in data]

        optimizer = self.model.optimizer

        def loss_of(trainable):
            loss, new = self._compute(trainable, others, batch, training=True)
            scale = zip(optimizer.variables, slots, strict=True)
            # The optimizer takes the scale off the gradients again.
            with keras.StatelessScope(list(scale)):
                return optimizer.scale_loss(loss), (loss, new)

        found, gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable)
        loss, others = found[1]
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return [trainable, others, slots], loss * len(numbers)

    def _evaluate_step(self, weights, state, data, numbers):
        batch = [part[numbers] for part in data]
        loss, others = self._compute(weights, state[0], batch, training=False)
        return [others], loss * len(numbers)

    def _compute(self, trainable, others, batch, training):
        collected = self.other_variables()
        mapping = [
            *zip(self.model.trainable_variables, trainable, strict=True),
            *zip(collected, others, strict=True),
        ]
        return compute_step(
            self.model,
            lambda images: self.model(images, training=training),
            mapping,
            batch,
            training,
            collected,
        )
