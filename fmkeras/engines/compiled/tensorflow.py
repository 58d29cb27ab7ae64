"""Steps of any model on tensorflow: one tf.function that loops over batches."""

import tensorflow as tf

from fmkeras.engines.compiled.base import CompiledEngine
from fmkeras.engines.refusals import not_traced


class TensorflowCompiledEngine(CompiledEngine):
    """A loop over batches inside one graph; XLA where the model's compile asks."""

    def __init__(self, model) -> None:
        super().__init__(model)
        steps = self._train_step, self._evaluate_step
        if model.compiled and model.jit_compile:
            steps = [tf.function(step, jit_compile=True) for step in steps]
        self._steps = dict(zip(("train", "evaluate"), steps, strict=True))
        self._loops: dict[tuple, tf.types.experimental.PolymorphicFunction] = {}

    def to_device(self, arrays):
        return [tf.constant(part) for part in arrays.parts()]

    def train_steps(self, data, batches):
        return self._run("train", data, batches)

    def evaluate_steps(self, data, batches):
        return self._run("evaluate", data, batches)

    def predict(self, images, batch_size=None):
        return self.model.predict(images, batch_size=batch_size, verbose=0)

    def _run(self, kind, data, batches):
        # A signature: any number of samples and steps in one trace a batch size.
        numbers = tf.TensorSpec([None, batches.shape[1]], tf.int32)
        specs = [tf.TensorSpec([None, *part.shape[1:]], part.dtype) for part in data]
        key = (kind, batches.shape[1], *map(str, specs))
        if key not in self._loops:
            loop = tf.function(self._loop(kind), [specs, numbers])
            try:
                loop.get_concrete_function()
            except Exception as error:  # Whatever a layer says of being traced.
                raise not_traced(self.model, error) from error
            self._loops[key] = loop
        return self._loops[key](data, batches).numpy()

    def _loop(self, kind):
        def loop(data, batches):
            losses = tf.TensorArray(tf.float32, size=tf.shape(batches)[0])
            for step in tf.range(tf.shape(batches)[0]):
                batch = [tf.gather(part, batches[step]) for part in data]
                loss = self._steps[kind](*batch)
                count = tf.cast(tf.shape(batches)[1], tf.float32)
                losses = losses.write(step, tf.cast(loss, tf.float32) * count)
            return losses.stack()

        return loop

    def _train_step(self, images, targets, weights=None):
        model = self.model
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = model.compute_loss(images, targets, outputs, weights, training=True)
            scaled = model.optimizer.scale_loss(loss)
        variables = model.trainable_weights
        gradients = tape.gradient(scaled, [v.value for v in variables])
        model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        model.compute_metrics(images, targets, outputs, weights)
        return loss

    def _evaluate_step(self, images, targets, weights=None):
        model = self.model
        outputs = model(images, training=False)
        loss = model.compute_loss(images, targets, outputs, weights, training=False)
        model.compute_metrics(images, targets, outputs, weights)
        return loss
