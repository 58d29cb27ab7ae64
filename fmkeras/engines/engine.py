"""The part of an engine that no backend changes: epochs, callbacks, totals."""

import contextlib
import dataclasses
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from fmkeras.datasets.augmentation import Augmentation
from fmkeras.datasets.splits import Subset, epoch_order
from fmkeras.engines.distillation import Teacher
from fmkeras.engines.gradient_rules import GradientRules
from fmkeras.engines.mean_weights import MeanWeights
from fmkeras.engines.structure import output_index
from fmkeras.errors import Diverged
from fmkeras.evaluation.confusion import ConfusionMatrix
from fmkeras.keras_internals import seed_states
from fmkeras.optimizers.learning_rates import learning_rate_function
from fmkeras.seeds import random_generator

# A call holds as many batches as take about this long: enough to hide the cost of a
# call, few enough that a progress bar moves.
SECONDS_PER_CALL = 0.5
# Without gradients more images fit; so many that the largest layer's outputs stay
# below this many bytes.
LARGEST_OUTPUT = 256 * 1024**2
MOST_EVALUATED = 1_000


@dataclass
class MetricTotals:
    """What a pass adds up inside the compiled step.

    Attributes:
        confusion: int64 (classes, classes); rows are true, columns predicted.
        loss_sum: the sum over images of the loss.
    """

    confusion: np.ndarray
    loss_sum: float = 0.0

    @classmethod
    def zeros(cls, num_classes: int) -> "MetricTotals":
        """Return the totals of no image."""
        return cls(np.zeros((num_classes, num_classes), np.int64))

    def add(self, losses: np.ndarray, confusion: np.ndarray) -> None:
        # One by one: the sum is the same however the steps were put into calls.
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
    """How far a training is inside an epoch.

    Attributes:
        epoch: the epoch at work; 0 is the first.
        step: batches of it that are done.
        seconds: that they took.
        totals: their figures.
        random_state: uint8 (n,), of the backend's own generator.
    """

    epoch: int
    step: int
    seconds: float
    totals: MetricTotals
    random_state: np.ndarray


class Engine(ABC):
    """Trains and evaluates one functional model with one compiled step.

    The images stay on the device as uint8; a step takes the numbers of its images
    and does the rest there: forward, loss, gradients, update, confusion matrix. The
    arithmetic is that of `keras.Model.fit`; a last, shorter batch counts as what it
    is. `engine.totals["train"]` and `engine.totals["validation"]` hold the figures
    of the epoch that ended last, for callbacks to read; `engine.confusion` has the
    counts of the pass that ended last, as a metric of Keras's own `fit` would.
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
    ) -> None:
        """Take a model of logits, and to train it an optimizer and a loss.

        Args:
            model: functional, (n, height, width, 1) raw pixels in, (n, classes) out.
            optimizer: any of Keras's; built here.
            loss: takes one-hot labels and logits; its mean over a batch is minimised.
            l2: added to each gradient as l2 * weight, as PyTorch's `weight_decay`.
            augmentation: how training images are changed; None leaves them.
            compile_step: give the training step to a compiler, which takes seconds
                to minutes: Inductor on torch, XLA on tensorflow; jax always does.
            gradient_rules: what is done to the gradients before decay.
            teacher: a model to learn from besides the labels.
        """
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.l2 = l2
        self.augmentation = augmentation or Augmentation()
        self.compile_step = compile_step
        self.gradient_rules = gradient_rules or GradientRules()
        self.teacher = teacher
        self.mean_weights = MeanWeights()
        scores = keras.tree.flatten(model.outputs)
        index = output_index(model) if len(scores) > 1 else 0
        self.num_classes = scores[index].shape[-1]
        # Whether a training step computes its outputs as at inference.
        self.frozen = False
        self.evaluation_batch = evaluation_batch(model)
        self.totals = {
            name: MetricTotals.zeros(self.num_classes)
            for name in ("train", "validation")
        }
        self.confusion = ConfusionMatrix(max(self.num_classes, 2))
        self.batch_size: int | None = None
        # None: as many as take `SECONDS_PER_CALL`.
        self.steps_per_call: int | None = None
        self._progress: EpochProgress | None = None
        if optimizer is not None:
            if not optimizer.built:
                optimizer.build(model.trainable_variables)
            # Keras's callbacks reach the optimizer through the model.
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

        To go on exactly where a training was stopped, give all variables the values
        they had, and `progress`, which `epoch_progress` returned then.
        The order of the images, what augmentation makes of them and the dropout masks
        of an epoch depend on (seed, epoch) alone. Where the optimizer keeps a moving
        average of the weights, validation measures that; in the last `swa_epochs` it
        measures the mean of the weights at the ends of these. The batch callbacks are
        called once for each compiled call, which holds several batches, with the
        running loss and accuracy. Without `shuffle` every epoch takes the images in
        their own order. After `freeze_after` epochs, if any, the weights are trained on
        the outputs of inference: without dropout, moving averages unchanged.
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
            if validation_data is not None:
                callback_list.on_test_begin()
                with self._averaged_weights():
                    self.totals["validation"] = self._evaluate_data(validation_data)
                if not math.isfinite(self.totals["validation"].loss_sum):
                    raise Diverged(
                        "The loss of the validation images is no number: training "
                        "diverged; expected a finite loss: lower the learning rate or "
                        f"clip the gradients. Received: after epoch {epoch + 1}, "
                        f"learning rate {logs['learning_rate']:.4g}"
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
        """Return the same for `weights_to_keep`."""
        with self._averaged_weights():
            return self.evaluate(part)

    def predict(
        self,
        images: np.ndarray,
        batch_size: int | None = None,
        on_batch: Callable[[int], None] = lambda count: None,
    ) -> np.ndarray:
        """Return the model's outputs for uint8 images (n, height, width), float32.

        `batch_size` follows from the model's size where none is given. `on_batch` is
        told after each batch how many images it held.
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
        """The figures of the validation images, or of the training images without."""
        validation = self.totals["validation"]
        return validation if validation.count else self.totals["train"]

    def weights_to_keep(self) -> list[np.ndarray]:
        """The model's weights, averaged where the optimizer keeps an average."""
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
        # Copies: on torch the arrays share the memory that is written over.
        own = [np.array(ops.convert_to_numpy(v.value)) for v in variables]
        self.optimizer.finalize_variable_values(variables)
        try:
            yield
        finally:
            for variable, value in zip(variables, own, strict=True):
                variable.assign(value)

    def augmented(self, images, targets, params):
        """Return a batch as it is trained on, within the step.

        That is (n, height, width) images and (n, classes) targets.
        """
        if not self.augmentation:
            return images, targets
        images = self.augmentation.apply(images, params, self._sample)
        return self.augmentation.mix(images, targets, params)

    def learning_rate(self) -> float:
        """The learning rate of the step that comes next."""
        done = int(ops.convert_to_numpy(self.optimizer.iterations.value))
        return learning_rate_function(self.optimizer)(done)

    def _epoch_begun(self, epoch: int) -> EpochProgress:
        totals = MetricTotals.zeros(self.num_classes)
        return EpochProgress(epoch, 0, 0.0, totals, np.zeros(0, np.uint8))

    def epoch_progress(self) -> EpochProgress:
        """How far the training is; to be asked for in `on_train_batch_end`."""
        return dataclasses.replace(self._progress, random_state=self.random_state())

    def _train_epoch(self, data, order, params, batch_size, callback_list, started):
        progress = self._progress
        for step, batches in self._step_chunks(order, batch_size, progress.step):
            callback_list.on_train_batch_begin(step)
            first = step * batch_size
            drawn = params[first : first + batches.size]
            drawn = drawn.reshape(*batches.shape, params.shape[1])
            losses, confusion = self._train_steps(data, batches, drawn)
            if not np.isfinite(losses).all():
                self._stop_diverged(progress.epoch, step, losses)
            progress.totals.add(losses, confusion)
            progress.step = step + len(batches)
            progress.seconds = time.perf_counter() - started
            logs = _named(progress.totals, "")
            callback_list.on_train_batch_end(progress.step - 1, logs)

    def _stop_diverged(self, epoch: int, step: int, losses: np.ndarray) -> None:
        """Raise `Diverged` for the first of the steps whose loss is no number."""
        bad = int(np.argmin(np.isfinite(losses)))
        done = int(ops.convert_to_numpy(self.optimizer.iterations.value))
        rate = learning_rate_function(self.optimizer)(done - len(losses) + bad)
        raise Diverged(
            "The loss is no longer a number: training diverged; expected a finite "
            "loss: lower the learning rate or clip the gradients. Received: "
            f"loss {losses[bad]} at step {step + bad + 1} of epoch {epoch + 1}, "
            f"learning rate {rate:.4g}"
        )

    def _evaluate_data(self, data) -> MetricTotals:
        totals = MetricTotals.zeros(self.num_classes)
        order = np.arange(len(data.labels), dtype=np.int32)
        for _, batches in self._step_chunks(order, self.evaluation_batch):
            totals.add(*self._evaluate_steps(data, batches))
        return totals

    def _step_chunks(self, order: np.ndarray, batch_size: int, step: int = 0):
        """Yield (first step, int32 (steps, batch)); the last, short batch alone.

        How many steps go into a call follows from how long the last call took, unless
        `steps_per_call` says it. It changes nothing of what is computed. `step` is the
        first.
        """
        whole = len(order) // batch_size
        steps = self.steps_per_call or 1
        while step < whole:
            batches = order[step * batch_size : min(step + steps, whole) * batch_size]
            began = time.perf_counter()
            yield step, batches.reshape(-1, batch_size)
            step = min(step + steps, whole)
            ratio = SECONDS_PER_CALL / max(time.perf_counter() - began, 1e-9)
            steps = self.steps_per_call or max(int(steps * min(ratio, 8.0)), 1)
        if step == whole and whole * batch_size < len(order):
            yield whole, order[whole * batch_size :].reshape(1, -1)

    def _variables(self) -> list[list[keras.Variable]]:
        """The model's trained and other variables, then the optimizer's if any."""
        groups = [self.model.trainable_variables, self.model.non_trainable_variables]
        if self.optimizer is not None:
            groups.append(self.optimizer.variables)
        return groups

    def _seed_dropout(self, seed: int, epoch: int) -> None:
        generator = random_generator("dropout", seed, epoch)
        self._seed_backend(int(generator.integers(2**31)))
        for state in seed_states(self.model):
            state.assign(generator.integers(2**31, size=2))

    # What a backend supplies -----------------------------------------------------

    @abstractmethod
    def _to_device(self, part: Subset):
        """Put a part on the device; the result has `.labels`."""

    @abstractmethod
    def _train_steps(
        self, data, batches: np.ndarray, params: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Train on each row of `batches`, int32 (steps, batch), of image numbers.

        `params`, float32 (steps, batch, c), is what augmentation does to each image.
        Returns each step's loss, summed over its images, (steps,), and the confusion
        matrix of all images.
        """

    @abstractmethod
    def _evaluate_steps(
        self, data, batches: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `_train_steps`, without training and without augmentation."""

    @abstractmethod
    def _forward(self, images: np.ndarray) -> np.ndarray:
        """Return the outputs at inference for uint8 images (n, height, width)."""

    @abstractmethod
    def _sample(self, images, maps, bilinear):
        """Move, mirror and turn images as `augmentation.sample_images` does."""

    @abstractmethod
    def _seed_backend(self, seed: int) -> None:
        """Seed the backend's own generator, where it has one."""

    def random_state(self) -> np.ndarray:
        """Return the state of the backend's own generator, uint8 (n,)."""
        return np.zeros(0, np.uint8)

    def set_random_state(self, state: np.ndarray) -> None:
        """Give the backend's own generator a state that it had."""
        del state


def evaluation_batch(model: keras.Model) -> int:
    """Return how many images to take at once without gradients, 1 to 1,000."""
    try:
        outputs = keras.tree.flatten([layer.output for layer in model.layers])
    except (AttributeError, ValueError):
        # Another project's model: a layer in two places, or a call in Python.
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
