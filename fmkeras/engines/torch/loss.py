"""Keras's cross-entropy from logits as torch functions."""

from collections.abc import Callable

import keras
import torch
from torch.nn import functional


def lower_loss(
    loss: keras.losses.Loss, class_weights: torch.Tensor | None = None
) -> Callable:
    """Return the mean loss as a function of targets and logits, (n, classes) each.

    With `class_weights` (classes,) the loss of each image has its class's factor. A
    loss other than `CategoricalCrossentropy(from_logits=True)` is Keras's own.
    """
    stock = (
        type(loss) is keras.losses.CategoricalCrossentropy
        and loss.from_logits
        and loss.axis == -1
        and loss.reduction == "sum_over_batch_size"
    )

    def weighted(targets, logits):
        weights = (targets * class_weights).sum(-1)
        return loss(targets, logits, sample_weight=weights)

    if not stock:
        return loss if class_weights is None else weighted

    def cross_entropy(targets, logits):
        weights = None
        if class_weights is not None:
            weights = (targets * class_weights).sum(-1, keepdim=True)
        if loss.label_smoothing:
            spread = loss.label_smoothing / targets.shape[-1]
            targets = targets * (1 - loss.label_smoothing) + spread
        products = targets * functional.log_softmax(logits, -1)
        if weights is not None:
            products = products * weights
        return products.sum() * (-1.0 / len(targets))

    return cross_entropy
