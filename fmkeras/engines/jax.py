"""The engine on jax: one jitted step with donated state."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from fmkeras.datasets.augmentation import sample_images
from fmkeras.datasets.splits import Subset
from fmkeras.engines.engine import Engine, count_confusion, one_hot_labels
from fmkeras.engines.structure import class_scores, pack_images
from fmkeras.files import cache_folder

# Without the bounds checks of `keras.ops.take_along_axis`.
_GATHER = partial(jnp.take_along_axis, axis=1, mode="promise_in_bounds")


def keep_compiled_steps() -> None:
    """Keep compiled steps between runs, unless the user says where or says no."""
    folder = cache_folder("jax")
    if folder and jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


@dataclass
class _Data:
    images: jax.Array
    one_hot: jax.Array
    labels: np.ndarray


class JaxEngine(Engine):
    """A step takes and returns the state as arrays; the variables get the last ones."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._train = jax.jit(self._train_step, donate_argnums=(0, 1))
        self._train_frozen = jax.jit(
            partial(self._train_step, training=False), donate_argnums=(0, 1)
        )
        self._evaluate = jax.jit(self._evaluate_step, donate_argnums=0)
        self._pick = jax.jit(self._pick_batch)
        self._predict = jax.jit(self._predict_batch)

    def _to_device(self, part: Subset) -> _Data:
        one_hot = one_hot_labels(part.labels, self.num_classes)
        return _Data(
            jnp.asarray(part.images), jnp.asarray(one_hot), np.asarray(part.labels)
        )

    def _train_steps(self, data, batches, params):
        variables = self._variables()
        state = [[v.value for v in group] for group in variables]
        teacher = [v.value for v in self.teacher.variables()] if self.teacher else []
        losses, confusion = [], self._no_confusion()
        train = self._train_frozen if self.frozen else self._train
        # No `lax.scan`: XLA runs a convolution inside a loop on one CPU core only.
        for indices, drawn in zip(batches, params, strict=True):
            state, confusion, loss = train(
                state, confusion, data.images, data.one_hot, indices, drawn, teacher
            )
            losses.append(loss)
        # The step has consumed the donated arrays; the variables take the new ones.
        for group, values in zip(variables, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return np.asarray(losses), np.asarray(confusion)

    def _gradients_of(self, data, indices, params):
        trainable, non_trainable = ([v.value for v in g] for g in self._variables()[:2])
        teacher = [v.value for v in self.teacher.variables()] if self.teacher else []
        batch = self._pick(data.images, data.one_hot, indices)
        images, targets = self.augmented(*batch, jnp.asarray(params))
        return jax.grad(self._loss, has_aux=True)(
            trainable, non_trainable, images, targets, teacher, not self.frozen
        )[0]

    def _evaluate_steps(self, data, batches):
        weights = [[v.value for v in group] for group in self._variables()[:2]]
        losses, confusion = [], self._no_confusion()
        for indices in batches:
            # A function of its own: it alone depends on the number of all images.
            batch = self._pick(data.images, data.one_hot, indices)
            confusion, loss = self._evaluate(confusion, weights, *batch)
            losses.append(loss)
        return np.asarray(losses), np.asarray(confusion)

    def _forward(self, images):
        weights = [[v.value for v in group] for group in self._variables()[:2]]
        return np.asarray(self._predict(weights, jnp.asarray(images)))

    def _sample(self, images, maps, bilinear):
        return sample_images(images, maps, bilinear, _GATHER)

    def _seed_backend(self, seed):
        """Nothing to do: the random state of jax is in the model's variables."""

    def _train_step(
        self, state, confusion, images, one_hot, indices, params, teacher, training=True
    ):
        trainable, non_trainable, slots = state
        labels = one_hot[indices]
        batch, targets = self.augmented(images[indices], labels, params)
        differentiate = jax.value_and_grad(
            partial(
                self._loss,
                images=batch,
                targets=targets,
                teacher=teacher,
                training=training,
            ),
            has_aux=True,
        )
        (loss, (logits, non_trainable)), gradients = differentiate(
            trainable, non_trainable
        )
        gradients = self.gradient_rules.apply(gradients, self.model)
        if self.l2:
            gradients = [
                g + self.l2 * v for g, v in zip(gradients, trainable, strict=True)
            ]
        trainable, slots = self.optimizer.stateless_apply(slots, gradients, trainable)
        confusion += count_confusion(labels, logits)
        return [trainable, non_trainable, slots], confusion, loss * len(indices)

    def _pick_batch(self, images, one_hot, indices):
        return images[indices], one_hot[indices]

    def _evaluate_step(self, confusion, weights, images, targets):
        logits, _ = self._logits(*weights, images, training=False)
        loss = self.loss(targets, logits) * len(targets)
        return confusion + count_confusion(targets, logits), loss

    def _predict_batch(self, weights, images):
        return self._logits(*weights, images, training=False)[0]

    def _loss(self, trainable, non_trainable, images, targets, teacher, training):
        logits, non_trainable = self._logits(trainable, non_trainable, images, training)
        loss = self.training_loss(targets, logits)
        if self.teacher:
            model = self.teacher.model
            split = len(model.trainable_variables)
            outputs, _ = model.stateless_call(
                teacher[:split],
                teacher[split:],
                images.astype(jnp.float32)[..., None],
                training=False,
            )
            loss = self.teacher.loss(loss, logits, outputs)
        return loss, (logits, non_trainable)

    def _logits(self, trainable, non_trainable, images, training):
        images = images.astype(jnp.float32)[..., None]
        images = pack_images(self.model, images)
        outputs, non_trainable = self.model.stateless_call(
            trainable, non_trainable, images, training=training
        )
        return class_scores(self.model, outputs).astype(jnp.float32), non_trainable

    def _no_confusion(self):
        return jnp.zeros((self.num_classes, self.num_classes))
