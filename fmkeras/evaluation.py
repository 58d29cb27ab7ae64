"""One pass of a model over a split, and the figures that come of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fmkeras.errors import UserError
from fmkeras.labels import CLASS_NAMES, NUM_CLASSES
from fmkeras.metrics import (
    PerClass,
    accuracy,
    classification_report,
    confusion_matrix,
    most_confused,
    per_class,
    wilson_interval,
)

# A softmax in half precision may miss a sum of one by this much.
SUM_TOLERANCE = 1e-2
# The smallest probability that the loss counts, as in Keras.
LEAST_PROBABILITY = 1e-7


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model makes of a split.

    Attributes:
        count: how many images there were.
        accuracy: the share of them that was classified rightly.
        interval: Wilson's 95 % interval of the accuracy, (low, high).
        loss: mean cross-entropy in nats.
        confusion: counts, int64 (10, 10); rows are true classes.
        per_class: precision, recall, F1 and support.
        outputs: what the model gave: `probabilities`, or `logits` (of which a
            softmax was taken).
        examples_per_second: over the whole pass, compilation included.
    """

    count: int
    accuracy: float
    interval: tuple[float, float]
    loss: float
    confusion: np.ndarray
    per_class: PerClass
    outputs: str
    examples_per_second: float

    def to_dict(self) -> dict:
        """Return the figures as JSON knows them."""
        figures = self.per_class
        rows = zip(
            CLASS_NAMES,
            figures.precision.tolist(),
            figures.recall.tolist(),
            figures.f1.tolist(),
            figures.support.tolist(),
            strict=True,
        )
        return {
            "count": self.count,
            "accuracy": self.accuracy,
            "accuracy_interval_95": list(self.interval),
            "loss": self.loss,
            "outputs": self.outputs,
            "examples_per_second": round(self.examples_per_second, 1),
            "per_class": {
                name: {"precision": p, "recall": r, "f1": f, "support": s}
                for name, p, r, f, s in rows
            },
            "most_confused": [
                {"true": true, "predicted": predicted, "count": times}
                for true, predicted, times in most_confused(self.confusion, CLASS_NAMES)
            ],
            "confusion_matrix": self.confusion.tolist(),
        }

    def to_text(self) -> str:
        """Return the printed form: the table, the accuracy, the commonest errors."""
        low, high = self.interval
        lines = [
            classification_report(self.confusion, CLASS_NAMES),
            f"Accuracy {self.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f}), "
            f"loss {self.loss:.4f}, {self.count:,} images, "
            f"{self.examples_per_second:,.0f} images/s",
        ]
        pairs = most_confused(self.confusion, CLASS_NAMES)
        if pairs:
            lines.append("Most confused:")
        for true, predicted, times in pairs:
            lines.append(f"{times:>7,} x {true} taken for {predicted}")
        if self.outputs == "logits":
            lines.append("The model gives logits; their softmax was taken.")
        return "\n".join(lines) + "\n"


def evaluate_model(
    model, images: np.ndarray, labels: np.ndarray, predict: Callable
) -> Evaluation:
    """Run `model` once over a split and return the figures.

    `images` are uint8 (n, 28, 28), `labels` integers (n,); `predict(model, images)`
    returns the outputs, float (n, 10). Models made elsewhere may give logits or
    probabilities: the values tell which. Raises `UserError` where there are no
    images, or where an output is not a finite number.
    """
    if len(images) != len(labels):
        raise ValueError(
            "Expected a label for each image. "
            f"Received: {len(images)} images, {len(labels)} labels"
        )
    if not len(images):
        raise UserError("There is nothing to evaluate on; expected at least one image.")
    start = time.perf_counter()
    outputs = np.asarray(predict(model, images), np.float64)
    seconds = time.perf_counter() - start
    if outputs.shape != (len(images), NUM_CLASSES):
        raise ValueError(
            f"Expected outputs of shape {(len(images), NUM_CLASSES)}. "
            f"Received: {outputs.shape}"
        )
    if not np.isfinite(outputs).all():
        raise UserError(
            "The model gives outputs that are no finite numbers, as after a training "
            "that diverged; train it again, with a lower learning rate. "
            f"Received: {np.unique(outputs[~np.isfinite(outputs)]).tolist()}"
        )
    confusion = confusion_matrix(labels, outputs.argmax(axis=1))
    normal = _are_probabilities(outputs)
    return Evaluation(
        count=len(images),
        accuracy=accuracy(confusion),
        interval=wilson_interval(int(np.trace(confusion)), len(images)),
        loss=_cross_entropy(outputs, labels, normal),
        confusion=confusion,
        per_class=per_class(confusion),
        outputs="probabilities" if normal else "logits",
        examples_per_second=len(images) / seconds,
    )


def _are_probabilities(outputs: np.ndarray) -> bool:
    within = outputs.min() >= 0 and outputs.max() <= 1 + SUM_TOLERANCE
    return bool(within and np.abs(outputs.sum(axis=1) - 1).max() <= SUM_TOLERANCE)


def _cross_entropy(outputs: np.ndarray, labels: np.ndarray, normal: bool) -> float:
    if normal:
        shares = outputs / outputs.sum(axis=1, keepdims=True)
        log_shares = np.log(np.maximum(shares, LEAST_PROBABILITY))
    else:
        shifted = outputs - outputs.max(axis=1, keepdims=True)
        log_shares = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_shares[np.arange(len(labels)), labels].mean())
