"""The part of an engine that all backends share: epochs, callbacks, totals."""

import contextlib
import dataclasses
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from fmkeras.datasets.augmentation import Augmentation
from fmkeras.datasets.splits import Subset, epoch_order
from fmkeras.engines.distillation import Teacher
from fmkeras.engines.divergence import RecentState, all_finite, diverged_after
from fmkeras.engines.gradient_rules import GradientRules
from fmkeras.engines.mean_weights import MeanWeights
from fmkeras.engines.memory import fitting_batch, no_memory
from fmkeras.engines.parallel import SINGLE, Processes
from fmkeras.engines.structure import output_index
from fmkeras.errors import Diverged, OutOfMemory, is_out_of_memory
from fmkeras.evaluation.confusion import ConfusionMatrix
from fmkeras.keras_internals import seed_states
from fmkeras.optimizers.learning_rates import learning_rate_function
from fmkeras.seeds import random_generator

# A compiled call takes as many batches as need about this time: enough to hide the cost
# of a call, few enough that a progress bar moves.
SECONDS_PER_CALL = 0.5
# The limits of a batch without gradients: bytes of the largest layer's outputs, images.
LARGEST_OUTPUT = 256 * 1024**2
MOST_EVALUATED = 1_000


@dataclass
class MetricTotals:
    """The totals of a pass over images, summed inside the compiled step.

    Attributes:
        confusion: int64 (classes, classes); rows are true, columns predicted.
        loss_sum: the loss, summed over the images.
    """

    confusion: np.ndarray
    loss_sum: float = 0.0

    @classmethod
    def zeros(cls, num_classes: int) -> "MetricTotals":
        """Return the totals of no image."""
        return cls(np.zeros((num_classes, num_classes), np.int64))

    def add(self, losses: np.ndarray, confusion: np.ndarray) -> None:
        # One by one, so that the sum does not depend on the number of steps in a call.
        for loss in losses.tolist():
            self.loss_sum += loss
        self.confusion = self.confusion + np.asarray(confusion).astype(np.int64)

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def loss(self) -> float:
        return self.loss_sum / max(self.count, 1)

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion)) / max(self.count, 1)


@dataclass
class EpochProgress:
    """The progress of a training inside an epoch.

    Attributes:
        epoch: the current epoch; 0 is the first.
        step: the number of its batches that are done.
        seconds: their time.
        totals: their totals.
        random_state: the state of the backend's own generator, uint8 (n,).
    """

    epoch: int
    step: int
    seconds: float
    totals: MetricTotals
    random_state: np.ndarray


class Engine(ABC):
    """Trains and evaluates one functional model with one compiled step.

    The images stay on the device as uint8. A step takes the indices of its images and
    computes everything there: forward pass, loss, gradients, update, confusion matrix.
    The arithmetic is that of `keras.Model.fit`; in the means over an epoch a last,
    shorter batch counts by its number of images. Callbacks can read the figures of the
    last epoch in `engine.totals["train"]` and `engine.totals["validation"]`, and the
    counts of the last pass in `engine.confusion`, a metric as Keras's `fit` has it.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer | None = None,
        loss: keras.losses.Loss | None = None,
        l2: float = 0.0,
        augmentation: Augmentation | None = None,
        compile_step: bool = False,
        gradient_rules: GradientRules | None = None,
        teacher: Teacher | None = None,
        class_weights: Sequence[float] | None = None,
        processes: Processes = SINGLE,
    ) -> None:
        """Prepare to evaluate a model, and given an optimizer and a loss to train it.

        Args:
            model: a functional model from raw pixels, (n, height, width, 1), to logits,
                (n, classes).
            optimizer: any Keras optimizer; the engine builds it.
            loss: a function of one-hot labels and logits; its mean over a batch is
                minimised.
            l2: added to each gradient as l2 * weight, as PyTorch's `weight_decay`.
            augmentation: changes of the training images; None for none.
            compile_step: compile the training step, which takes seconds to minutes, by
                Inductor on torch or XLA on tensorflow; jax always compiles.
            gradient_rules: changes of the gradients before decay.
            teacher: a model to learn from besides the labels.
            class_weights: a factor a class for the loss of its images in training, as
                the `class_weight` of `model.fit`; a mixed image has the mean of its
                classes' by their shares. None for 1.
            processes: those that train together, each on a share of every batch; all
                hold the same model, optimizer and images.
        """
        self.processes = processes
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.l2 = l2
        self.augmentation = augmentation or Augmentation()
        self.compile_step = compile_step
        self.gradient_rules = gradient_rules or GradientRules()
        self.teacher = teacher
        self.class_weights = None
        if class_weights is not None:
            self.class_weights = np.asarray(class_weights, np.float32)
        self.mean_weights = MeanWeights()
        scores = keras.tree.flatten(model.outputs)
        index = output_index(model) if len(scores) > 1 else 0
        self.num_classes = scores[index].shape[-1]
        # Whether a training step computes its outputs in inference mode.
        self.frozen = False
        self.evaluation_batch = evaluation_batch(model)
        self.totals = {
            name: MetricTotals.zeros(self.num_classes)
            for name in ("train", "validation")
        }
        self.confusion = ConfusionMatrix(max(self.num_classes, 2))
        self.batch_size: int | None = None
        self._recent = RecentState()
        # None for as many as need `SECONDS_PER_CALL`.
        self.steps_per_call: int | None = None
        self._progress: EpochProgress | None = None
        if optimizer is not None:
            if not optimizer.built:
                optimizer.build(model.trainable_variables)
            # Keras's callbacks find the optimizer in the model.
            model.compile(optimizer=optimizer, loss=loss, jit_compile=False)

    def fit(
        self,
        train: Subset,
        validation: Subset | None = None,
        *,
        epochs: int,
        batch_size: int,
        seed: int = 0,
        initial_epoch: int = 0,
        shuffle: bool = True,
        freeze_after: int = 0,
        progress: EpochProgress | None = None,
        swa_epochs: int = 0,
        callbacks: Iterable[keras.callbacks.Callback] = (),
    ) -> keras.callbacks.History:
        """Train for `epochs` epochs and return the history, as `keras.Model.fit` does.

        To resume a stopped training exactly, assign all variables the values that they
        had, and pass the `progress` that `epoch_progress` returned then.

        The order of the images, their augmentation and the dropout masks of an epoch
        depend on (seed, epoch) only. Validation uses the moving average of the weights
        where the optimizer keeps one, and in the last `swa_epochs` epochs the mean of
        the weights at the ends of these. Batch callbacks are called once for each
        compiled call, which takes several batches, with the running loss and accuracy.
        Without `shuffle` the images keep their order in every epoch. After
        `freeze_after` epochs, unless it is 0, training uses the outputs of inference
        mode: no dropout, and moving averages do not change.
        """
        self.batch_size = batch_size
        if progress is not None:
            initial_epoch = progress.epoch
        steps = math.ceil(len(train) / batch_size)
        callback_list = keras.callbacks.CallbackList(
            list(callbacks),
            add_history=True,
            model=self.model,
            epochs=epochs,
            steps=steps,
            verbose=0,
        )
        train_data = self._to_device(train)
        validation_data = None if validation is None else self._to_device(validation)
        self.model.stop_training = False
        callback_list.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            callback_list.on_epoch_begin(epoch)
            started = time.perf_counter()
            if progress is None:
                self._seed_dropout(seed, epoch)
                progress = self._epoch_begun(epoch)
            else:
                started -= progress.seconds
                self.set_random_state(progress.random_state)
            self._progress, progress = progress, None
            self.frozen = 0 < freeze_after <= epoch
            order = np.arange(len(train), dtype=np.int32)
            if shuffle:
                order = epoch_order(len(train), seed, epoch)
            params = self.augmentation.draw(len(train), seed, epoch)
            self._train_epoch(
                train_data, order, params, batch_size, callback_list, started
            )
            self.totals["train"] = self._progress.totals
            self.confusion.set_matrix(self.totals["train"].confusion)
            seconds = time.perf_counter() - started
            logs = _named(self.totals["train"], "")
            logs["learning_rate"] = self.learning_rate()
            logs["seconds"] = seconds
            logs["examples_per_second"] = len(train) / seconds
            if epoch >= epochs - swa_epochs:
                self.mean_weights.add(self.model)
            trained, averages = self.variables()[:2]
            if not all_finite(trained + averages):
                # The loss of the last step was taken before its update, and what a
                # backend computes of such weights may be a number: XLA's maxima are.
                raise diverged_after(
                    epoch, "a weight or moving average", logs["learning_rate"]
                )
            if validation_data is not None:
                callback_list.on_test_begin()
                with self._averaged_weights():
                    self.totals["validation"] = self._evaluate_data(validation_data)
                if not math.isfinite(self.totals["validation"].loss_sum):
                    raise diverged_after(
                        epoch, "the validation loss", logs["learning_rate"]
                    )
                self.confusion.set_matrix(self.totals["validation"].confusion)
                validation_logs = _named(self.totals["validation"], "val_")
                callback_list.on_test_end(validation_logs)
                logs |= validation_logs
            callback_list.on_epoch_end(epoch, logs)
            if self.model.stop_training:
                break
        callback_list.on_train_end()
        return self.model.history

    def evaluate(self, part: Subset) -> MetricTotals:
        """Return the loss and the confusion matrix over `part`."""
        return self._evaluate_data(self._to_device(part))

    def evaluate_kept(self, part: Subset) -> MetricTotals:
        """Return the totals over `part` with the weights of `weights_to_keep`."""
        with self._averaged_weights():
            return self.evaluate(part)

    def predict(
        self,
        images: np.ndarray,
        batch_size: int | None = None,
        on_batch: Callable[[int], None] = lambda count: None,
    ) -> np.ndarray:
        """Return the model's outputs for uint8 images (n, height, width), float32.

        The default of `batch_size` depends on the size of the model. `on_batch` is
        called after each batch with its number of images.
        """
        batch_size = batch_size or self.evaluation_batch
        outputs = []
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            outputs.append(self._forward(batch))
            on_batch(len(batch))
        if not outputs:
            return np.zeros((0, self.num_classes), np.float32)
        return np.concatenate(outputs).astype(np.float32)

    def monitored_totals(self) -> MetricTotals:
        """Return the totals of the validation images, or of training without these."""
        validation = self.totals["validation"]
        return validation if validation.count else self.totals["train"]

    def weights_to_keep(self) -> list[np.ndarray]:
        """Return the model's weights, or their average where training keeps one."""
        with self._averaged_weights():
            return [np.array(weight) for weight in self.model.get_weights()]

    @contextlib.contextmanager
    def _averaged_weights(self) -> Iterator[None]:
        if self.mean_weights.count:
            with self.mean_weights.in_place(self.model):
                yield
            return
        if not getattr(self.optimizer, "use_ema", False):
            yield
            return
        variables = self.model.trainable_variables
        # Copies: on torch the arrays share memory that the next line overwrites.
        own = [np.array(ops.convert_to_numpy(v.value)) for v in variables]
        self.optimizer.finalize_variable_values(variables)
        try:
            yield
        finally:
            for variable, value in zip(variables, own, strict=True):
                variable.assign(value)

    def training_loss(self, targets, logits):
        """Return the loss of a batch by its labels, each image as its class weighs.

        targets and logits: (n, classes).
        """
        if self.class_weights is None:
            return self.loss(targets, logits)
        weights = ops.sum(targets * self.class_weights, axis=-1)
        return self.loss(targets, logits, sample_weight=weights)

    def augmented(self, images, targets, params):
        """Return the augmented images and targets of a batch, inside the step.

        images: (n, height, width). targets: (n, classes).
        """
        if not self.augmentation:
            return images, targets
        images = self.augmentation.apply(images, params, self._sample)
        return self.augmentation.mix(images, targets, params)

    def learning_rate(self) -> float:
        """Return the learning rate of the next step."""
        done = int(ops.convert_to_numpy(self.optimizer.iterations.value))
        return learning_rate_function(self.optimizer)(done)

    def _epoch_begun(self, epoch: int) -> EpochProgress:
        totals = MetricTotals.zeros(self.num_classes)
        return EpochProgress(epoch, 0, 0.0, totals, np.zeros(0, np.uint8))

    def epoch_progress(self) -> EpochProgress:
        """Return the progress of the training; for use in `on_train_batch_end`."""
        return dataclasses.replace(self._progress, random_state=self.random_state())

    def _train_epoch(self, data, order, params, batch_size, callback_list, started):
        progress = self._progress
        for step, batches in self._step_chunks(order, batch_size, progress.step):
            callback_list.on_train_batch_begin(step)
            first = step * batch_size
            drawn = params[first : first + batches.size]
            drawn = drawn.reshape(*batches.shape, params.shape[1])
            if self.processes.count == 1:
                self._recent.keep_if_due(self, progress.epoch, step)
            losses, confusion = self._train_or_stop(data, batches, drawn)
            if not np.isfinite(losses).all():
                self._stop_diverged(data, order, params, step, losses)
            progress.totals.add(losses, confusion)
            progress.step = step + len(batches)
            progress.seconds = time.perf_counter() - started
            logs = _named(progress.totals, "")
            callback_list.on_train_batch_end(progress.step - 1, logs)

    def _train_or_stop(self, data, batches, params):
        """Train; raise `OutOfMemory` with a batch that fits where this one does not."""
        reason = None
        try:
            return self._train_steps(data, batches, params)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())
        if self.processes.count > 1:
            # To look for a batch that fits would take the other processes too.
            raise OutOfMemory(
                "The memory of a device is too small for its share of a step of "
                f"{batches.shape[1]} images; expected one that fits: give a smaller "
                f"batch_size, or more devices. Received: {reason[:160]}"
            )
        # Not within `except`: what the error refers to is free only now.
        raise no_memory(
            batches.shape[1], fitting_batch(self, data, batches, params), reason
        )

    def _stop_diverged(self, data, order, params, step: int, losses) -> None:
        """Raise `Diverged` for the first step from `step` whose loss is not finite."""
        epoch, batch_size = self._progress.epoch, self.batch_size
        bad = int(np.argmin(np.isfinite(losses)))
        done = int(ops.convert_to_numpy(self.optimizer.iterations.value))
        rate = learning_rate_function(self.optimizer)(done - len(losses) + bad)

        def row(step: int):
            indices = order[step * batch_size : (step + 1) * batch_size]
            first = step * batch_size
            return indices, params[first : first + len(indices)]

        norm = f"{self.processes.count} devices"
        if self.processes.count == 1:
            norm = self._recent.gradient_norm_before(self, data, row, epoch, step + bad)
        raise Diverged(
            "The loss is no longer finite: training diverged; expected a finite "
            "loss: lower the learning rate or clip the gradients. Received: "
            f"loss {losses[bad]} at step {step + bad + 1} of epoch {epoch + 1}, "
            f"learning rate {rate:.4g}, {norm}"
        )

    def _evaluate_data(self, data) -> MetricTotals:
        totals = MetricTotals.zeros(self.num_classes)
        order = np.arange(len(data.labels), dtype=np.int32)
        for _, batches in self._step_chunks(order, self.evaluation_batch):
            totals.add(*self._evaluate_steps(data, batches))
        return totals

    def _step_chunks(self, order: np.ndarray, batch_size: int, step: int = 0):
        """Yield (first step, indices (steps, batch)) for each call, from `step` on.

        A last, shorter batch has a call of its own. `steps_per_call`, or else the time
        of the last call, determines the number of steps; results do not depend on it.
        """
        whole = len(order) // batch_size
        steps = self.steps_per_call or 1
        while step < whole:
            batches = order[step * batch_size : min(step + steps, whole) * batch_size]
            began = time.perf_counter()
            yield step, batches.reshape(-1, batch_size)
            step = min(step + steps, whole)
            # All processes make calls of the same steps.
            seconds = self.processes.mean(time.perf_counter() - began)
            ratio = SECONDS_PER_CALL / max(seconds, 1e-9)
            steps = self.steps_per_call or max(int(steps * min(ratio, 8.0)), 1)
        if step == whole and whole * batch_size < len(order):
            yield whole, order[whole * batch_size :].reshape(1, -1)

    def _sum_figures(self, losses: np.ndarray, confusion: np.ndarray):
        """Return the losses of steps and the counts, summed over the processes."""
        if self.processes.count == 1:
            return losses, confusion
        flat = np.concatenate([losses, np.ravel(confusion)])
        total = self.processes.total(flat)
        steps = len(losses)
        return total[:steps], total[steps:].reshape(confusion.shape)

    def variables(self) -> list[list[keras.Variable]]:
        """Return the trainable, the non-trainable and the optimizer's variables."""
        groups = [self.model.trainable_variables, self.model.non_trainable_variables]
        if self.optimizer is not None:
            groups.append(self.optimizer.variables)
        return groups

    def _seed_dropout(self, seed: int, epoch: int) -> None:
        generator = random_generator("dropout", seed, epoch)
        self._seed_backend(int(generator.integers(2**31)))
        for state in seed_states(self.model):
            state.assign(generator.integers(2**31, size=2))

    # Implemented by each backend --------------------------------------------------

    @abstractmethod
    def _to_device(self, part: Subset):
        """Copy a subset to the device; the result has an attribute `labels`."""

    @abstractmethod
    def _train_steps(
        self, data, batches: np.ndarray, params: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Train one step on each row of `batches`, image indices, int32 (steps, batch).

        `params`, float32 (steps, batch, c), are the augmentation's parameters of each
        image. Returns the loss of each step, summed over its images, (steps,), and the
        confusion matrix of all images.
        """

    @abstractmethod
    def _gradients_of(self, data, indices: np.ndarray, params: np.ndarray) -> list:
        """Return the gradients of one step, not applied; arguments as a step's row."""

    @abstractmethod
    def _evaluate_steps(
        self, data, batches: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Evaluate on each row of `batches`; returns what `_train_steps` returns."""

    @abstractmethod
    def _forward(self, images: np.ndarray) -> np.ndarray:
        """Return the outputs in inference mode for uint8 images (n, height, width)."""

    @abstractmethod
    def _sample(self, images, maps, bilinear):
        """Translate, flip and rotate images as `augmentation.sample_images` does."""

    @abstractmethod
    def _seed_backend(self, seed: int) -> None:
        """Seed the backend's own random generator, if it has one."""

    def random_state(self) -> np.ndarray:
        """Return the state of the backend's own random generator, uint8 (n,)."""
        return np.zeros(0, np.uint8)

    def set_random_state(self, state: np.ndarray) -> None:
        """Restore a state of the backend's own random generator."""
        del state


def evaluation_batch(model: keras.Model) -> int:
    """Return the batch size for a pass without gradients, 1 to 1,000 images."""
    try:
        outputs = keras.tree.flatten([layer.output for layer in model.layers])
    except (AttributeError, ValueError):
        # Models of other projects: a layer that is called twice, or `call` in Python.
        return MOST_EVALUATED
    largest = max(math.prod(size or 1 for size in x.shape[1:]) for x in outputs)
    return min(max(LARGEST_OUTPUT // (4 * largest), 1), MOST_EVALUATED)


def count_confusion(one_hot, logits):
    """Return the confusion matrix of a batch, float32 (classes, classes)."""
    predicted = ops.argmax(logits, axis=-1)
    classes = ops.arange(one_hot.shape[-1], dtype=predicted.dtype)
    hits = ops.cast(ops.equal(predicted[:, None], classes), "float32")
    return ops.matmul(ops.transpose(one_hot), hits)


def one_hot_labels(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return float32 (n, num_classes) with a one in each label's column."""
    return np.eye(num_classes, dtype=np.float32)[labels]


def _named(totals: MetricTotals, prefix: str) -> dict[str, float]:
    return {f"{prefix}loss": totals.loss, f"{prefix}accuracy": totals.accuracy}
