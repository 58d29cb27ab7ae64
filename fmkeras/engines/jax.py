"""The engine on jax: one jitted step with donated state."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from fmkeras.datasets.augmentation import sample_images
from fmkeras.datasets.splits import Subset
from fmkeras.engines.engine import Engine, count_confusion, one_hot_labels
from fmkeras.engines.parallel.jax import pack, unpack
from fmkeras.engines.parallel.random_layers import drawing_for_whole_batch
from fmkeras.engines.parallel.share import Share
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
        self._pack = jax.jit(
            self._pack_step, donate_argnums=1, static_argnames=("share", "training")
        )
        self._apply = jax.jit(
            self._apply_step, donate_argnums=0, static_argnames="training"
        )
        # Whether a step trains: the non-trainable variables that it averages.
        self._averaged: dict[bool, list[int]] = {}
        self._pick = jax.jit(self._pick_batch)
        self._predict = jax.jit(self._predict_batch)

    def _to_device(self, part: Subset) -> _Data:
        one_hot = one_hot_labels(part.labels, self.num_classes)
        return _Data(
            jnp.asarray(part.images), jnp.asarray(one_hot), np.asarray(part.labels)
        )

    def _train_steps(self, data, batches, params):
        variables = self.variables()
        state = [[v.value for v in group] for group in variables]
        teacher = [v.value for v in self.teacher.variables()] if self.teacher else []
        losses, confusion = [], self._no_confusion()
        train = self._train_frozen if self.frozen else self._train
        if self.processes.count > 1:
            share = self.processes.share(batches.shape[1])
            train = partial(self._train_share, share=share)
            if not self.augmentation.mixes:
                # An image is mixed with another, which another process may have.
                batches, params = batches[:, share.rows], params[:, share.rows]
        # No `lax.scan`: XLA runs a convolution inside a loop on one CPU core only.
        with self.processes.watch():
            for indices, drawn in zip(batches, params, strict=True):
                state, confusion, loss = train(
                    state, confusion, data.images, data.one_hot, indices, drawn, teacher
                )
                losses.append(loss)
            losses = np.asarray(losses)
        # The step has consumed the donated arrays; the variables take the new ones.
        for group, values in zip(variables, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return self._sum_figures(losses, np.asarray(confusion))

    def _train_share(self, state, confusion, *batch, share):
        """Train a step of which other processes compute the other images."""
        training = not self.frozen
        non_trainable, confusion, loss, bucket = self._pack(
            state, confusion, *batch, share=share, training=training
        )
        state = [state[0], non_trainable, state[2]]
        bucket = self.processes.sum(bucket)
        return self._apply(state, bucket, training=training), confusion, loss

    def _gradients_of(self, data, indices, params):
        trainable, non_trainable = ([v.value for v in g] for g in self.variables()[:2])
        teacher = [v.value for v in self.teacher.variables()] if self.teacher else []
        batch = self._pick(data.images, data.one_hot, indices)
        images, targets = self.augmented(*batch, jnp.asarray(params))
        return jax.grad(self._loss, has_aux=True)(
            trainable,
            non_trainable,
            images,
            targets,
            teacher,
            not self.frozen,
            Share.whole(len(indices)),
        )[0]

    def _evaluate_steps(self, data, batches):
        share = self.processes.share(batches.shape[1])
        batches = batches[:, share.rows]
        weights = [[v.value for v in group] for group in self.variables()[:2]]
        losses, confusion = [], self._no_confusion()
        for indices in batches:
            # A function of its own: it alone depends on the number of all images.
            batch = self._pick(data.images, data.one_hot, indices)
            confusion, loss = self._evaluate(confusion, weights, *batch)
            losses.append(loss)
        part = float(share.weight > 0)
        return self._sum_figures(
            part * np.asarray(losses), part * np.asarray(confusion)
        )

    def _forward(self, images):
        weights = [[v.value for v in group] for group in self.variables()[:2]]
        return np.asarray(self._predict(weights, jnp.asarray(images)))

    def _sample(self, images, maps, bilinear):
        return sample_images(images, maps, bilinear, _GATHER)

    def _seed_backend(self, seed):
        """Nothing to do: the random state of jax is in the model's variables."""

    def _train_step(
        self, state, confusion, images, one_hot, indices, params, teacher, training=True
    ):
        gradients, non_trainable, confusion, loss = self._gradients(
            state[:2], confusion, images, one_hot, indices, params, teacher, training
        )
        trainable, slots = self._update(state[0], state[2], gradients)
        return [trainable, non_trainable, slots], confusion, loss

    def _gradients(
        self,
        weights,
        confusion,
        images,
        one_hot,
        indices,
        params,
        teacher,
        training,
        share=None,
    ):
        """Return gradients, new non-trainable values, the counts and the loss's sum."""
        share = share or Share.whole(len(indices))
        labels = one_hot[indices]
        batch, targets = self.augmented(images[indices], labels, params)
        if len(indices) > share.stop - share.start:
            labels, batch, targets = (x[share.rows] for x in (labels, batch, targets))
        differentiate = jax.value_and_grad(
            partial(
                self._loss,
                images=batch,
                targets=targets,
                teacher=teacher,
                training=training,
                share=share,
            ),
            has_aux=True,
        )
        (loss, (logits, non_trainable)), gradients = differentiate(*weights)
        if share.weight:
            confusion += count_confusion(labels, logits)
        return gradients, non_trainable, confusion, loss * share.count

    def _pack_step(self, state, confusion, *batch, share, training):
        """Return new non-trainable values, counts, loss, and what is to be summed.

        That is the gradients and, weighted by their images, the moving averages of
        batch normalization: each process normalizes with its own images' statistics.
        """
        gradients, updated, confusion, loss = self._gradients(
            state[:2], confusion, *batch, training, share
        )
        means = [updated[index] * share.weight for index in self._averaged[training]]
        return updated, confusion, loss, pack([*gradients, *means])

    def _apply_step(self, state, bucket, training):
        trainable, non_trainable, slots = state
        averaged = self._averaged[training]
        like = [*trainable, *(non_trainable[index] for index in averaged)]
        tensors = unpack(bucket, like)
        gradients, means = tensors[: len(trainable)], tensors[len(trainable) :]
        for index, mean in zip(averaged, means, strict=True):
            non_trainable[index] = mean
        trainable, slots = self._update(trainable, slots, gradients)
        return [trainable, non_trainable, slots]

    def _update(self, trainable, slots, gradients):
        gradients = self.gradient_rules.apply(gradients, self.model)
        if self.l2:
            gradients = [
                g + self.l2 * v for g, v in zip(gradients, trainable, strict=True)
            ]
        return self.optimizer.stateless_apply(slots, gradients, trainable)

    def _pick_batch(self, images, one_hot, indices):
        return images[indices], one_hot[indices]

    def _evaluate_step(self, confusion, weights, images, targets):
        logits, _ = self._logits(*weights, images, training=False)
        loss = self.loss(targets, logits) * len(targets)
        return confusion + count_confusion(targets, logits), loss

    def _predict_batch(self, weights, images):
        return self._logits(*weights, images, training=False)[0]

    def _loss(
        self, trainable, non_trainable, images, targets, teacher, training, share
    ):
        with drawing_for_whole_batch(self.model, share):
            logits, updated = self._logits(trainable, non_trainable, images, training)
        self._averaged[training] = [
            index
            for index, (old, new) in enumerate(zip(non_trainable, updated, strict=True))
            if new is not old and jnp.issubdtype(new.dtype, jnp.floating)
        ]
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
        if not share.is_whole:
            # The gradients of all shares add up to those of the mean over the batch.
            loss = loss * share.weight
        return loss, (logits, updated)

    def _logits(self, trainable, non_trainable, images, training):
        images = images.astype(jnp.float32)[..., None]
        images = pack_images(self.model, images)
        outputs, non_trainable = self.model.stateless_call(
            trainable, non_trainable, images, training=training
        )
        return class_scores(self.model, outputs).astype(jnp.float32), non_trainable

    def _no_confusion(self):
        return jnp.zeros((self.num_classes, self.num_classes))
