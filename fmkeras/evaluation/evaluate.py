"""The evaluation of a model on a set of images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fmkeras.errors import UserError
from fmkeras.evaluation.calibration import (
    Calibration,
    calibrate,
    cross_entropy,
    fit_temperature,
    log_softmax,
    log_with_temperature,
)
from fmkeras.evaluation.metrics import (
    PerClass,
    accuracy,
    confusion_matrix,
    most_confused,
    per_class,
    taken_for_shirts,
    wilson_interval,
)
from fmkeras.evaluation.rate import BatchRate
from fmkeras.labels import CLASS_NAMES

# A softmax in half precision sums to one within this tolerance.
SUM_TOLERANCE = 1e-2
# Probabilities are clipped here in the loss, as in Keras.
LEAST_PROBABILITY = 1e-7


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The figures of a model on a set of images.

    Attributes:
        count: how many images there were.
        accuracy: the share that was classified correctly.
        interval: Wilson's 95 % interval of the accuracy, (low, high).
        loss: mean cross-entropy in nats.
        confusion: counts, int64 (classes, classes); rows are true classes.
        per_class: precision, recall, F1 and support.
        outputs: what the model gave: `probabilities`, `logits` (of which a softmax
            was taken) or `sigmoids` (which were divided by their sum).
        examples_per_second: once compiled, as `BatchRate` measures it.
        probabilities: of each image and class, float64 (count, classes).
        labels: int64 (count,).
        class_names: one a class.
    """

    count: int
    accuracy: float
    interval: tuple[float, float]
    loss: float
    confusion: np.ndarray
    per_class: PerClass
    outputs: str
    examples_per_second: float
    probabilities: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...] = CLASS_NAMES

    @property
    def predictions(self) -> np.ndarray:
        """The likeliest class of each image, int64 (count,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def calibration(self) -> Calibration:
        """The reliability diagram, and the expected calibration error."""
        return calibrate(self.probabilities, self.labels)

    def confident_errors(self, count: int = 20) -> list[dict]:
        """Return the errors of the highest confidence, the most confident first."""
        predictions, confidence = self.predictions, self.probabilities.max(axis=1)
        wrong = np.flatnonzero(predictions != self.labels)
        order = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
        return [
            {
                "image": index,
                "true": self.class_names[self.labels[index]],
                "predicted": self.class_names[predictions[index]],
                "confidence": float(confidence[index]),
            }
            for index in order.tolist()
        ]

    def to_dict(self) -> dict:
        """Return the figures as JSON knows them."""
        figures = self.per_class
        rows = zip(
            self.class_names,
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
                for true, predicted, times in most_confused(
                    self.confusion, self.class_names
                )
            ],
            "confusion_matrix": self.confusion.tolist(),
            **self._taken_for_shirts(),
        }

    def _taken_for_shirts(self) -> dict:
        if self.class_names != CLASS_NAMES:
            return {}
        count, errors = taken_for_shirts(self.confusion)
        share = count / errors if errors else 0.0
        return {"taken_for_shirts": {"count": count, "share_of_errors": share}}

    def __repr__(self) -> str:
        return (
            f"Evaluation(accuracy={self.accuracy:.4f}, loss={self.loss:.4f}, "
            f"count={self.count})"
        )

    def _repr_html_(self) -> str:
        from fmkeras.evaluation.html import evaluation_html  # for notebooks alone

        return evaluation_html(self)


@dataclass(frozen=True)
class Temperature:
    """The temperature fitted on validation images, and its effect on the test images.

    `error` and `loss` are the expected calibration error and the cross-entropy of
    the test images once the probabilities are scaled by it.
    """

    value: float
    fitted_on: int
    error: float
    loss: float


def fit_on_validation(
    evaluation: Evaluation, probabilities: np.ndarray, labels: np.ndarray
) -> Temperature:
    """Fit a temperature on validation images; measure it on those of `evaluation`.

    `probabilities` (n, classes) and `labels` (n,) are of the validation images.
    """
    value = fit_temperature(probabilities, labels)
    logarithms = log_with_temperature(evaluation.probabilities, value)
    return Temperature(
        value=value,
        fitted_on=len(labels),
        error=calibrate(np.exp(logarithms), evaluation.labels).error,
        loss=cross_entropy(logarithms, evaluation.labels),
    )


def evaluate_model(
    model,
    images: np.ndarray,
    labels: np.ndarray,
    predict: Callable,
    class_names: Sequence[str] = CLASS_NAMES,
) -> Evaluation:
    """Run `model` once over a split and return the figures.

    `images` are uint8 (n, 28, 28), `labels` integers (n,); `predict(model, images,
    on_batch=...)` returns the outputs, float (n, classes), and calls `on_batch` with
    the size of each batch that is done. Models made elsewhere may give logits or
    probabilities: the values tell which. Raises `UserError` where there are no images,
    where the outputs are not one a class, or one is not a finite number.
    """
    if len(images) != len(labels):
        raise ValueError(
            "Expected a label for each image. "
            f"Received: {len(images)} images, {len(labels)} labels"
        )
    if not len(images):
        raise UserError("Evaluation needs images; expected at least one.")
    rate = BatchRate()
    outputs = np.asarray(predict(model, images, on_batch=rate), np.float64)
    if outputs.shape != (len(images), len(class_names)):
        raise UserError(
            "The model does not give one output a class; expected outputs of shape "
            f"{(len(images), len(class_names))}: the data's classes are "
            f"{', '.join(class_names)}. Received: {outputs.shape}"
        )
    check_finite(outputs)
    return evaluate_outputs(outputs, labels, rate.per_second(len(images)), class_names)


def evaluate_outputs(
    outputs: np.ndarray,
    labels: np.ndarray,
    examples_per_second: float,
    class_names: Sequence[str] = CLASS_NAMES,
) -> Evaluation:
    """Return the figures of a pass.

    `outputs` are finite logits or probabilities, float (n, classes), `labels` integers
    (n,).
    """
    confusion = confusion_matrix(labels, outputs.argmax(axis=1), len(class_names))
    kind = output_kind(outputs)
    probabilities = as_probabilities(outputs)
    if kind != "logits":
        logarithms = np.log(np.maximum(probabilities, LEAST_PROBABILITY))
    else:
        logarithms = log_softmax(outputs)
    return Evaluation(
        count=len(labels),
        accuracy=accuracy(confusion),
        interval=wilson_interval(int(np.trace(confusion)), len(labels)),
        loss=cross_entropy(logarithms, labels),
        confusion=confusion,
        per_class=per_class(confusion),
        outputs=kind,
        examples_per_second=examples_per_second,
        probabilities=probabilities,
        labels=np.asarray(labels),
        class_names=tuple(class_names),
    )


def check_finite(outputs: np.ndarray) -> np.ndarray:
    """Return a model's outputs; raise `UserError` where some are no finite numbers."""
    if not np.isfinite(outputs).all():
        raise UserError(
            "The model gives outputs that are no finite numbers, as after a training "
            "that diverged; train it again, with a lower learning rate. "
            f"Received: {np.unique(outputs[~np.isfinite(outputs)]).tolist()}"
        )
    return outputs


def as_probabilities(outputs: np.ndarray) -> np.ndarray:
    """Return logits, sigmoids or probabilities as shares that sum to one.

    Raises `UserError` where some are no finite numbers.
    """
    check_finite(outputs)
    if output_kind(outputs) == "logits":
        return np.exp(log_softmax(outputs))
    totals = outputs.sum(axis=1, keepdims=True)
    even = np.full_like(outputs, 1 / outputs.shape[1])
    return np.divide(outputs, totals, out=even, where=totals > 0)


def output_kind(outputs: np.ndarray) -> str:
    """Return what values, float (n, classes), are by their range and their sums.

    `probabilities` sum to one, by a hair in half precision; `sigmoids`, one for each
    class by itself, lie between zero and one too; `logits` are anything else.
    """
    if outputs.min() < 0 or outputs.max() > 1 + SUM_TOLERANCE or not outputs.any():
        return "logits"
    close = np.abs(outputs.sum(axis=1) - 1).max() <= SUM_TOLERANCE
    return "probabilities" if close else "sigmoids"
