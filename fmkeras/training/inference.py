"""Passes at inference: over the test images after an epoch, and over all at the end."""

from collections.abc import Callable

import keras
import numpy as np

from fmkeras.datasets.augmentation import Augmentation
from fmkeras.datasets.splits import DataSplits, Subset
from fmkeras.evaluation.calibration import log_softmax


class TestLog(keras.callbacks.Callback):
    """Adds `test_loss` and `test_accuracy` to the logs of each epoch.

    For protocols that print them; nothing may be chosen by them. It comes before the
    callbacks that write the logs down.
    """

    __test__ = False  # its name looks like a test's

    def __init__(self, engine, test: Subset) -> None:
        super().__init__()
        self.engine = engine
        self.test = test

    def on_epoch_end(self, epoch, logs=None):
        totals = self.engine.evaluate_kept(self.test)
        logs |= {"test_loss": totals.loss, "test_accuracy": totals.accuracy}


def inference_figures(
    model: keras.Model,
    split: DataSplits,
    batch_size: int,
    predict: Callable,
    augmentation: Augmentation | None = None,
    seed: int = 0,
) -> dict:
    """Return accuracy and losses of a model of logits over training and test images.

    `predict(model, images)` returns the logits, (n, classes). Of each part:
    `accuracy`; `loss`, the mean cross-entropy of the images; and `batch_loss`, the mean
    of the means of batches of `batch_size`, as the sources average. With an
    `augmentation` also of `train_augmented`, the training images changed by it once,
    but not mixed.
    """
    parts = {"train": split.train, "test": split.test}
    if augmentation:
        images = augmentation.unmixed().augment(split.train.images, seed)
        parts["train_augmented"] = Subset(images, split.train.labels)
    return {
        name: _figures(predict(model, part.images), part.labels, batch_size)
        for name, part in parts.items()
    }


def _figures(logits: np.ndarray, labels: np.ndarray, batch_size: int) -> dict:
    logarithms = log_softmax(np.asarray(logits, np.float64))
    losses = -logarithms[np.arange(len(labels)), labels]
    batches = np.arange(batch_size, len(labels), batch_size)
    means = [batch.mean() for batch in np.split(losses, batches)]
    return {
        "accuracy": float((logarithms.argmax(axis=1) == labels).mean()),
        "loss": float(losses.mean()),
        "batch_loss": float(np.mean(means)),
    }
