"""The engine on tensorflow: one tf.function that loops over batches."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from fmkeras.datasets.augmentation import sample_images
from fmkeras.datasets.splits import Subset
from fmkeras.engines.engine import Engine, count_confusion, one_hot_labels
from fmkeras.engines.parallel.random_layers import drawing_for_whole_batch
from fmkeras.engines.parallel.share import Share
from fmkeras.engines.parallel.tensorflow import pack, unpack
from fmkeras.engines.structure import class_scores, pack_images


@dataclass
class _Data:
    images: tf.Tensor
    one_hot: tf.Tensor
    labels: np.ndarray


class TensorflowEngine(Engine):
    """A loop over batches inside one graph; one trace serves any batch size."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        indices = tf.TensorSpec([None, None], tf.int32)
        images = tf.TensorSpec([None, *self.model.inputs[0].shape[1:3]], tf.uint8)
        one_hot = tf.TensorSpec([None, self.num_classes], tf.float32)
        params = tf.TensorSpec([None, None, None], tf.float32)
        signature = [images, one_hot, indices]
        self._augmented = self.augmented
        if self.augmentation:
            # XLA compiles the whole augmentation to one kernel.
            self._augmented = tf.function(self.augmented, jit_compile=True)
        self._train_step = self._train_batch
        self._pack_step = self._pack_batch
        if self.compile_step:
            self._train_step = tf.function(self._train_batch, jit_compile=True)
            self._pack_step = tf.function(self._pack_batch, jit_compile=True)
        self._train = tf.function(self._train_graph, [*signature, params])
        self._train_frozen = tf.function(
            partial(self._train_graph, training=False), [*signature, params]
        )
        # One for each share of a batch, where other processes have the others.
        self._train_shares: dict[tuple, Callable] = {}
        self._shares_signature = [*signature, params]
        self._averaged: list[keras.Variable] = []
        self._evaluate = tf.function(self._evaluate_graph, signature)
        self._predict = tf.function(self._predict_graph, [images])

    def _to_device(self, part: Subset) -> _Data:
        one_hot = one_hot_labels(part.labels, self.num_classes)
        return _Data(
            tf.constant(part.images), tf.constant(one_hot), np.asarray(part.labels)
        )

    def _train_steps(self, data, batches, params):
        if self.processes.count > 1:
            return self._train_part(data, batches, params)
        train = self._train_frozen if self.frozen else self._train
        losses, confusion = train(data.images, data.one_hot, batches, params)
        return losses.numpy(), confusion.numpy()

    def _gradients_of(self, data, indices, params):
        batch = tf.gather(data.images, indices), tf.gather(data.one_hot, indices)
        return self._gradients(*batch, params, Share.whole(1), not self.frozen)[0]

    def _train_part(self, data, batches, params):
        """Train steps of which other processes compute the other images."""
        share, training = self.processes.share(batches.shape[1]), not self.frozen
        if not self.augmentation.mixes:
            # An image is mixed with another, which another process may have.
            batches, params = batches[:, share.rows], params[:, share.rows]
        if (share, training) not in self._train_shares:
            self._train_shares[share, training] = tf.function(
                partial(self._share_graph, share=share, training=training),
                self._shares_signature,
            )
        train = self._train_shares[share, training]
        with self.processes.watch():
            losses, confusion = train(data.images, data.one_hot, batches, params)
            return self._sum_figures(losses.numpy(), confusion.numpy())

    def _evaluate_steps(self, data, batches):
        share = self.processes.share(batches.shape[1])
        batches = batches[:, share.rows]
        losses, confusion = self._evaluate(data.images, data.one_hot, batches)
        part = float(share.weight > 0)
        return self._sum_figures(part * losses.numpy(), part * confusion.numpy())

    def _forward(self, images):
        return self._predict(tf.constant(images)).numpy()

    def _sample(self, images, maps, bilinear):
        return sample_images(images, maps, bilinear, partial(tf.gather, batch_dims=1))

    def _seed_backend(self, seed):
        """Nothing to do: the seeds of dropout are in the model's variables.

        `tf.random.set_seed` would make tensorflow trace its graphs again each epoch.
        """

    def _train_graph(self, images, one_hot, batches, params, training=True):
        losses, confusion = self._zeros(batches)
        for step in tf.range(tf.shape(batches)[0]):
            indices = batches[step]
            batch = tf.gather(images, indices), tf.gather(one_hot, indices)
            loss_sum, hits = self._train_step(*batch, params[step], training)
            losses = losses.write(step, loss_sum)
            confusion += hits
        return losses.stack(), confusion

    def _share_graph(self, images, one_hot, batches, params, share, training):
        losses, confusion = self._zeros(batches)
        for step in tf.range(tf.shape(batches)[0]):
            indices = batches[step]
            batch = tf.gather(images, indices), tf.gather(one_hot, indices)
            bucket, loss_sum, hits = self._pack_step(
                *batch, params[step], share, training
            )
            self._apply_bucket(self.processes.sum(bucket))
            losses = losses.write(step, loss_sum)
            confusion += hits
        return losses.stack(), confusion

    def _train_batch(self, images, targets, params, training):
        """Return the loss, summed over the images, and the confusion matrix."""
        whole = Share.whole(1)
        gradients, loss, hits = self._gradients(
            images, targets, params, whole, training
        )
        self._update(gradients)
        count = tf.cast(tf.shape(targets)[0], tf.float32)
        return loss * count, hits

    @tf.autograph.experimental.do_not_convert
    def _pack_batch(self, images, targets, params, share, training):
        """Return what is to be summed, the loss's sum and the confusion matrix.

        That is the gradients and, weighted by their images, the moving averages of
        batch normalization: each process normalizes with its own images' statistics.
        """
        with keras.StatelessScope() as scope:
            gradients, loss, hits = self._gradients(
                images, targets, params, share, training
            )
        self._averaged, means = [], []
        for variable in self.model.non_trainable_variables:
            value = scope.get_current_value(variable)
            if value is None:
                continue
            if value.dtype.is_floating:
                self._averaged.append(variable)
                means.append(value * share.weight)
            else:
                variable.assign(value)
        return pack([*gradients, *means]), loss * share.count, hits

    @tf.autograph.experimental.do_not_convert
    def _apply_bucket(self, bucket):
        weights = [v.value for v in self.model.trainable_variables]
        tensors = unpack(bucket, [*weights, *(v.value for v in self._averaged)])
        for variable, mean in zip(self._averaged, tensors[len(weights) :], strict=True):
            variable.assign(mean)
        self._update(tensors[: len(weights)])

    @tf.autograph.experimental.do_not_convert
    def _gradients(self, images, targets, params, share, training):
        """Return gradients, the share of the mean loss, and the confusion matrix."""
        variables = [v.value for v in self.model.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            changed, mixed = self._augmented(images, targets, params)
            if self.augmentation.mixes and not share.is_whole:
                changed, mixed = changed[share.rows], mixed[share.rows]
                targets = targets[share.rows]
            with drawing_for_whole_batch(self.model, share):
                logits = self._logits(changed, training)
            loss = self.training_loss(mixed, logits)
            if self.teacher:
                pixels = tf.cast(changed, tf.float32)[..., None]
                outputs = self.teacher.model(pixels, training=False)
                loss = self.teacher.loss(loss, logits, outputs)
            if not share.is_whole:
                # The gradients of all shares add up to those of the whole mean.
                loss = loss * share.weight
        gradients = tape.gradient(loss, variables)
        hits = count_confusion(targets, logits)
        return gradients, loss, hits if share.weight else tf.zeros_like(hits)

    def _update(self, gradients):
        gradients = self.gradient_rules.apply(gradients, self.model)
        if self.l2:
            variables = [v.value for v in self.model.trainable_variables]
            gradients = [
                g + self.l2 * v for g, v in zip(gradients, variables, strict=True)
            ]
        self.optimizer.apply(gradients, self.model.trainable_variables)

    def _evaluate_graph(self, images, one_hot, batches):
        losses, confusion = self._zeros(batches)
        for step in tf.range(tf.shape(batches)[0]):
            indices = batches[step]
            targets = tf.gather(one_hot, indices)
            logits = self._logits(tf.gather(images, indices), training=False)
            loss = self.loss(targets, logits)
            losses = losses.write(step, loss * tf.cast(tf.size(indices), tf.float32))
            confusion += count_confusion(targets, logits)
        return losses.stack(), confusion

    def _predict_graph(self, images):
        return self._logits(images, training=False)

    def _logits(self, images, training):
        images = tf.cast(images, tf.float32)[..., None]
        outputs = self.model(pack_images(self.model, images), training=training)
        return tf.cast(class_scores(self.model, outputs), tf.float32)

    def _zeros(self, batches):
        losses = tf.TensorArray(tf.float32, size=tf.shape(batches)[0])
        return losses, tf.zeros((self.num_classes, self.num_classes))
