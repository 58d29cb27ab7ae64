"""Keras's cross-entropy from logits as torch functions."""

from collections.abc import Callable

import keras
from torch.nn import functional


def lower_loss(loss: keras.losses.Loss) -> Callable:
    """Return the mean loss as a function of targets and logits, (n, classes) each.

    A loss other than `CategoricalCrossentropy(from_logits=True)` is returned as it is.
    """
    stock = (
        type(loss) is keras.losses.CategoricalCrossentropy
        and loss.from_logits
        and loss.axis == -1
        and loss.reduction == "sum_over_batch_size"
    )
    if not stock:
        return loss

    def cross_entropy(targets, logits):
        if loss.label_smoothing:
            spread = loss.label_smoothing / targets.shape[-1]
            targets = targets * (1 - loss.label_smoothing) + spread
        products = targets * functional.log_softmax(logits, -1)
        return products.sum() * (-1.0 / len(targets))

    return cross_entropy
