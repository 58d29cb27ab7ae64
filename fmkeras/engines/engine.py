"""The part of an engine that all backends share: training, evaluation, prediction."""

import contextlib
import dataclasses
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence

import keras
import numpy as np
from keras import ops

from fmkeras.datasets.augmentation import Augmentation
from fmkeras.datasets.splits import Subset
from fmkeras.engines.distillation import Teacher
from fmkeras.engines.divergence import RecentState
from fmkeras.engines.epochs import Epochs
from fmkeras.engines.gradient_rules import GradientRules
from fmkeras.engines.mean_weights import MeanWeights
from fmkeras.engines.parallel import SINGLE, Processes
from fmkeras.engines.structure import output_index
from fmkeras.engines.totals import EpochProgress, MetricTotals
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
        self.batch_size: int | None = None
        # None for as many as need `SECONDS_PER_CALL`.
        self.steps_per_call: int | None = None
        self.progress: EpochProgress | None = None
        if optimizer is not None:
            # To predict, or to evaluate, takes none of these.
            self.mean_weights = MeanWeights()
            self.confusion = ConfusionMatrix(max(self.num_classes, 2))
            self.recent = RecentState()
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
        epochs_to_run = Epochs(
            self,
            train,
            validation,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            shuffle=shuffle,
            freeze_after=freeze_after,
            swa_epochs=swa_epochs,
            callbacks=callbacks,
        )
        return epochs_to_run.run(initial_epoch, progress)

    def evaluate(self, part: Subset) -> MetricTotals:
        """Return the loss and the confusion matrix over `part`."""
        return self._evaluate_data(self._to_device(part))

    def evaluate_kept(self, part: Subset) -> MetricTotals:
        """Return the totals over `part` with the weights of `weights_to_keep`."""
        return self.evaluate_kept_data(self._to_device(part))

    def evaluate_kept_data(self, data) -> MetricTotals:
        """Return what `evaluate_kept` does, of images on the device."""
        with self._averaged_weights():
            return self._evaluate_data(data)

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

    def weights_to_keep(self) -> list[np.ndarray]:
        """Return the model's weights, or their average where training keeps one."""
        with self._averaged_weights():
            return [np.array(weight) for weight in self.model.get_weights()]

    @contextlib.contextmanager
    def _averaged_weights(self) -> Iterator[None]:
        if self.optimizer is not None and self.mean_weights.count:
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

    def learning_rate(self, steps_ago: int = 0) -> float:
        """Return the learning rate of the next step, or of one so many steps before."""
        done = int(ops.convert_to_numpy(self.optimizer.iterations.value))
        return learning_rate_function(self.optimizer)(done - steps_ago)

    def epoch_progress(self) -> EpochProgress:
        """Return the progress of the training; for use in `on_train_batch_end`."""
        return dataclasses.replace(self.progress, random_state=self.random_state())

    def _evaluate_data(self, data) -> MetricTotals:
        totals = MetricTotals.zeros(self.num_classes)
        order = np.arange(len(data.labels), dtype=np.int32)
        for _, batches in self.step_chunks(order, self.evaluation_batch):
            totals.add(*self._evaluate_steps(data, batches))
        return totals

    def step_chunks(self, order: np.ndarray, batch_size: int, step: int = 0):
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

    def seed_dropout(self, seed: int, epoch: int) -> None:
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
