"""The epochs of a training: their batches, callbacks and figures, and how they fail."""

import math
import time
from collections.abc import Iterable

import keras
import numpy as np

from fmkeras.datasets.splits import Subset, epoch_order
from fmkeras.engines.divergence import all_finite, diverged_after
from fmkeras.engines.memory import fitting_batch, no_memory
from fmkeras.engines.totals import EpochProgress
from fmkeras.errors import Diverged, OutOfMemory, is_out_of_memory


class Epochs:
    """One call of `Engine.fit`, whose arguments it takes."""

    def __init__(
        self,
        engine,
        train: Subset,
        validation: Subset | None,
        *,
        epochs: int,
        batch_size: int,
        seed: int,
        shuffle: bool,
        freeze_after: int,
        swa_epochs: int,
        callbacks: Iterable[keras.callbacks.Callback],
    ) -> None:
        self.engine = engine
        self.count = len(train)
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.freeze_after = freeze_after
        self.swa_epochs = swa_epochs
        self.callbacks = keras.callbacks.CallbackList(
            list(callbacks),
            add_history=True,
            model=engine.model,
            epochs=epochs,
            steps=math.ceil(len(train) / batch_size),
            verbose=0,
        )
        self._data = engine._to_device(train)
        self._validation = None
        if validation is not None:
            self._validation = engine._to_device(validation)

    def run(
        self, initial_epoch: int, progress: EpochProgress | None
    ) -> keras.callbacks.History:
        """Train from `initial_epoch` on, or from `progress` inside it."""
        model = self.engine.model
        model.stop_training = False
        self.callbacks.on_train_begin()
        for epoch in range(initial_epoch, self.epochs):
            self.callbacks.on_epoch_begin(epoch)
            logs = self._train(epoch, progress)
            progress = None
            if self._validation is not None:
                logs |= self._validate(epoch, logs["learning_rate"])
            self.callbacks.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        self.callbacks.on_train_end()
        return model.history

    def _train(self, epoch: int, progress: EpochProgress | None) -> dict:
        """Train an epoch, or the rest of one; return its logs."""
        engine, started = self.engine, time.perf_counter()
        if progress is None:
            engine.seed_dropout(self.seed, epoch)
            progress = EpochProgress.begun(epoch, engine.num_classes)
        else:
            started -= progress.seconds
            engine.set_random_state(progress.random_state)
        engine.progress = progress
        engine.frozen = 0 < self.freeze_after <= epoch
        order = np.arange(self.count, dtype=np.int32)
        if self.shuffle:
            order = epoch_order(self.count, self.seed, epoch)
        params = engine.augmentation.draw(self.count, self.seed, epoch)
        self._train_batches(order, params, started)
        engine.totals["train"] = progress.totals
        engine.confusion.set_matrix(progress.totals.confusion)
        seconds = time.perf_counter() - started
        logs = progress.totals.named()
        logs["learning_rate"] = engine.learning_rate(steps_ago=1)
        logs["seconds"] = seconds
        logs["examples_per_second"] = self.count / seconds
        if epoch >= self.epochs - self.swa_epochs:
            engine.mean_weights.add(engine.model)
        trained, averages = engine.variables()[:2]
        if not all_finite(trained + averages):
            # The loss of the last step was taken before its update, and what a
            # backend computes of such weights may be a number: XLA's maxima are.
            raise diverged_after(
                epoch, "a weight or moving average", logs["learning_rate"]
            )
        return logs

    def _validate(self, epoch: int, learning_rate: float) -> dict:
        """Evaluate the validation images; return the logs."""
        engine = self.engine
        self.callbacks.on_test_begin()
        totals = engine.evaluate_kept_data(self._validation)
        engine.totals["validation"] = totals
        if not math.isfinite(totals.loss_sum):
            raise diverged_after(epoch, "the validation loss", learning_rate)
        engine.confusion.set_matrix(totals.confusion)
        logs = totals.named("val_")
        self.callbacks.on_test_end(logs)
        return logs

    def _train_batches(self, order, params, started: float) -> None:
        engine, progress = self.engine, self.engine.progress
        for step, batches in engine.step_chunks(order, self.batch_size, progress.step):
            self.callbacks.on_train_batch_begin(step)
            first = step * self.batch_size
            drawn = params[first : first + batches.size]
            drawn = drawn.reshape(*batches.shape, params.shape[1])
            if engine.processes.count == 1:
                engine.recent.keep_if_due(engine, progress.epoch, step)
            losses, confusion = self._train_or_stop(batches, drawn)
            if not np.isfinite(losses).all():
                self._stop_diverged(order, params, step, losses)
            progress.totals.add(losses, confusion)
            progress.step = step + len(batches)
            progress.seconds = time.perf_counter() - started
            logs = progress.totals.named()
            self.callbacks.on_train_batch_end(progress.step - 1, logs)
            if engine.model.stop_training:
                # As in model.fit: what is left of the epoch is passed over.
                break

    def _train_or_stop(self, batches, params):
        """Train; raise `OutOfMemory` with a batch that fits where this one does not."""
        reason = None
        try:
            return self.engine._train_steps(self._data, batches, params)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())
        if self.engine.processes.count > 1:
            # To look for a batch that fits would take the other processes too.
            raise OutOfMemory(
                "The memory of a device is too small for its share of a step of "
                f"{batches.shape[1]} images; expected one that fits: give a smaller "
                f"batch_size, or more devices. Received: {reason[:160]}"
            )
        # Not within `except`: what the error refers to is free only now.
        fits = fitting_batch(self.engine, self._data, batches, params)
        raise no_memory(batches.shape[1], fits, reason)

    def _stop_diverged(self, order, params, step: int, losses) -> None:
        """Raise `Diverged` for the first step from `step` whose loss is not finite."""
        engine, epoch = self.engine, self.engine.progress.epoch
        bad = int(np.argmin(np.isfinite(losses)))
        rate = engine.learning_rate(steps_ago=len(losses) - bad)

        def row(step: int):
            first = step * self.batch_size
            indices = order[first : first + self.batch_size]
            return indices, params[first : first + len(indices)]

        norm = f"{engine.processes.count} devices"
        if engine.processes.count == 1:
            norm = engine.recent.gradient_norm_before(
                engine, self._data, row, epoch, step + bad
            )
        raise Diverged(
            "The loss is no longer finite: training diverged; expected a finite "
            "loss: lower the learning rate or clip the gradients. Received: "
            f"loss {losses[bad]} at step {step + bad + 1} of epoch {epoch + 1}, "
            f"learning rate {rate:.4g}, {norm}"
        )
