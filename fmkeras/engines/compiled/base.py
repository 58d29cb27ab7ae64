"""What trains a model as its `compile` says: the part that no backend changes."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from fmkeras.datasets.splits import epoch_order
from fmkeras.engines.engine import SECONDS_PER_CALL, evaluation_batch
from fmkeras.engines.refusals import first_line, refused
from fmkeras.errors import UserError
from fmkeras.keras_internals import (
    clear_losses,
    optimized_variables,
    output_structure,
    take_restored_epoch,
)

# Callbacks of these hooks want to be called after every batch.
_BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
)


class Arrays(NamedTuple):
    """Samples of a training: images, targets, and a weight a sample or None."""

    images: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    def parts(self) -> list[np.ndarray]:
        """Return the arrays that there are."""
        return [part for part in self if part is not None]


class CompiledEngine(ABC):
    """Trains a Keras model with its own optimizer, loss and metrics.

    The arithmetic is `keras.Model.fit`'s; the data stay on the device, and a call
    makes many steps.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    def fit(
        self,
        train: Arrays,
        validation: Arrays | None,
        *,
        epochs: int,
        batch_size: int,
        initial_epoch: int = 0,
        shuffle: bool = True,
        seed: int = 0,
        callbacks: Iterable[keras.callbacks.Callback] = (),
    ) -> keras.callbacks.History:
        """Train and return the history, whose keys are `keras.Model.fit`'s."""
        model, callbacks = self.model, list(callbacks)
        self.check()
        for part in (train, validation):
            if part is not None:
                _check_labels(model, part.targets)
        self._build(train)
        callback_list = keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            model=model,
            epochs=epochs,
            steps=math.ceil(len(train) / batch_size),
            verbose=0,
        )
        one_by_one = any(map(wants_every_batch, callbacks))
        train_data = self.to_device(train)
        validation_data = None if validation is None else self.to_device(validation)
        model.stop_training = False
        # What an earlier training left is not this one's.
        take_restored_epoch(model)
        callback_list.on_train_begin()
        initial_epoch = take_restored_epoch(model) or initial_epoch
        logs: dict[str, float] = {}
        for epoch in range(initial_epoch, epochs):
            model.reset_metrics()
            callback_list.on_epoch_begin(epoch)
            self.seed(seed, epoch)
            order = np.arange(len(train), dtype=np.int32)
            if shuffle:
                order = epoch_order(len(train), seed, epoch)
            loss_sum = 0.0
            for step, batches in chunks(order, batch_size, one_by_one):
                callback_list.on_train_batch_begin(step)
                loss_sum += float(np.sum(self.train_steps(train_data, batches)))
                last = step + len(batches)
                seen = min(last * batch_size, len(train))
                logs = self._logs(loss_sum / seen)
                callback_list.on_train_batch_end(last - 1, logs)
                if model.stop_training:
                    break
            if validation_data is not None:
                # Also `evaluate`'s callbacks expect the metrics of training here.
                callback_list.on_test_begin()
                found = self._validate(validation_data, len(validation))
                callback_list.on_test_end(found)
                logs = logs | {f"val_{name}": value for name, value in found.items()}
            callback_list.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        if epochs > initial_epoch:
            model.optimizer.finalize_variable_values(model.trainable_variables)
        callback_list.on_train_end(logs)
        return model.history

    def _validate(self, data, count: int) -> dict[str, float]:
        self.model.reset_metrics()
        order = np.arange(count, dtype=np.int32)
        loss_sum = 0.0
        for _, batches in chunks(order, evaluation_batch(self.model)):
            loss_sum += float(np.sum(self.evaluate_steps(data, batches)))
        return self._logs(loss_sum / count)

    def _logs(self, loss: float) -> dict[str, float]:
        # Keras's own tracker of the loss is not updated: this is its value.
        found = self.model.get_metrics_result() | {"loss": loss}
        return {name: _as_number(value) for name, value in found.items()}

    def check(self) -> None:
        """Raise `UserError` for a model that cannot be trained here, in one line."""
        model = self.model
        if not model.compiled or model.optimizer is None:
            raise refused(model, "a model that was compiled", "no optimizer or loss")
        for name in ("train_step", "test_step", "fit"):
            if getattr(type(model), name) is not getattr(keras.Model, name):
                raise refused(model, f"a model without a {name} of its own", name)
        for side in ("inputs", "outputs"):
            tensors = getattr(model, side, None) or ()
            if not tensors:
                kinds = "a functional model, or a Sequential that begins with"
                received = "a model whose layers are not known before it is called"
                raise refused(model, f"{kinds} keras.Input(shape)", received)
            if len(tensors) != 1:
                raise refused(model, f"one of {side}", f"{len(tensors)} {side}")
        if model.run_eagerly:
            received = "run_eagerly=True"
            raise refused(model, "a model compiled without run_eagerly", received)
        if model.steps_per_execution != 1:
            received = f"steps_per_execution={model.steps_per_execution}"
            raise refused(model, "steps_per_execution=1", received)

    def _build(self, train: Arrays) -> None:
        """Build optimizer, loss and metrics, as Keras does on its first batch."""
        model = self.model
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        built = {id(v) for v in optimized_variables(model.optimizer)}
        if built and built != {id(v) for v in model.trainable_variables}:
            raise refused(
                model,
                "the layers that learn to be those of when it was compiled",
                "layers frozen or freed since: compile again",
            )
        output = model.outputs[0]
        shape = [1, *(size or 1 for size in output.shape[1:])]
        outputs = keras.tree.pack_sequence_as(
            output_structure(model), [ops.zeros(shape, output.dtype)]
        )
        images, targets, *weights = (
            ops.convert_to_tensor(x[:1]) for x in train.parts()
        )
        sample_weight = weights[0] if weights else None
        # What an earlier training was interrupted in is of no use now.
        clear_losses(model)
        try:
            model.compute_loss(images, targets, outputs, sample_weight, training=True)
            model.compute_metrics(images, targets, outputs, sample_weight)
        except Exception as error:  # Whatever a loss or metric says of the shapes.
            raise UserError(
                f"The loss or the metrics of '{model.name}' do not take these targets "
                f"({first_line(error)}); expected what model.fit takes. Received: "
                f"targets of shape {train.targets.shape}, outputs of shape "
                f"{tuple(output.shape)}"
            ) from error
        model.reset_metrics()

    def other_variables(self) -> list[keras.Variable]:
        """Return what a step changes beside weights and optimizer: with metrics."""
        return self.model.non_trainable_variables + self.model.metrics_variables

    # What a backend supplies -----------------------------------------------------

    @abstractmethod
    def to_device(self, arrays: Arrays):
        """Put the data where the steps run."""

    @abstractmethod
    def train_steps(self, data, batches: np.ndarray) -> np.ndarray:
        """Train on each row of `batches`, int32 (steps, batch), of sample numbers.

        Returns each step's loss times the number of its samples, (steps,).
        """

    @abstractmethod
    def evaluate_steps(self, data, batches: np.ndarray) -> np.ndarray:
        """As `train_steps`, without training."""

    @abstractmethod
    def predict(self, images: np.ndarray, batch_size: int | None = None) -> np.ndarray:
        """Return the model's outputs, as `keras.Model.predict` does."""

    def seed(self, seed: int, epoch: int) -> None:
        """Seed the backend's own generator, where layers draw from it."""
        del seed, epoch


def chunks(
    order: np.ndarray, batch_size: int, one_by_one: bool = False
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first step, int32 (steps, batch)); the last, short batch alone.

    As many steps as take `SECONDS_PER_CALL`, or one by one.
    """
    whole, step, steps = len(order) // batch_size, 0, 1
    while step < whole:
        batches = order[step * batch_size : min(step + steps, whole) * batch_size]
        began = time.perf_counter()
        yield step, batches.reshape(-1, batch_size)
        step = min(step + steps, whole)
        ratio = SECONDS_PER_CALL / max(time.perf_counter() - began, 1e-9)
        steps = 1 if one_by_one else max(int(steps * min(ratio, 8.0)), 1)
    if whole * batch_size < len(order):
        yield whole, order[whole * batch_size :].reshape(1, -1)


def wants_every_batch(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback has something to do after each batch.

    One that is content with a call for several says so: `takes_chunks = True`.
    """
    plain = keras.callbacks.Callback
    return not getattr(callback, "takes_chunks", False) and any(
        # Of the object: LambdaCallback has its own as attributes.
        getattr(getattr(callback, hook), "__func__", None) is not getattr(plain, hook)
        for hook in _BATCH_HOOKS
    )


def compute_step(model, call, mapping, batch, training: bool, collect: list):
    """Return a batch's loss, and the new values of the variables `collect`.

    Pure: variables have the values of `mapping`, pairs of variable and value.
    `call(images)` returns the model's outputs.
    """
    images, targets, *weights = batch
    sample_weight = weights[0] if weights else None
    with keras.StatelessScope(mapping, collect_losses=True) as scope:
        outputs = call(images)
        loss = model.compute_loss(
            images, targets, outputs, sample_weight, training=training
        )
        model.compute_metrics(images, targets, outputs, sample_weight)
    return loss, [scope.get_current_value(variable) for variable in collect]


def _check_labels(model: keras.Model, targets: np.ndarray) -> None:
    """Raise `UserError` for class numbers that the model has no output for."""
    loss = model.loss
    function = keras.losses.sparse_categorical_crossentropy
    sparse = isinstance(loss, keras.losses.SparseCategoricalCrossentropy)
    if not sparse and loss not in ("sparse_categorical_crossentropy", function):
        return
    count = model.outputs[0].shape[-1]
    labels = np.asarray(targets)
    ignored = getattr(loss, "ignore_class", None)
    odd = labels[((labels < 0) | (labels >= count)) & (labels != ignored)]
    if odd.size:
        raise UserError(
            f"A label is none of the classes of '{model.name}'; expected 0 to "
            f"{count - 1}, one an output. Received: {odd.flat[0]}"
        )


def _as_number(value):
    value = ops.convert_to_numpy(value) if ops.is_tensor(value) else value
    return float(value) if np.ndim(value) == 0 else value
