"""Calibration of a model's probabilities, and the temperature that corrects it.

After Guo et al., 'On Calibration of Modern Neural Networks' (2017).
"""

from dataclasses import dataclass

import numpy as np

from fmkeras.errors import UserError

BINS = 15
# The smallest probability whose logarithm is taken, near float32's smallest.
LEAST = 1e-37
# The range of temperatures searched; a trained model's lies well inside.
TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, eq=False)
class Calibration:
    """The reliability diagram as arrays: float64 (bins,), `counts` int64 (bins,).

    Bins have equal widths; bin i of n holds confidences above i / n, up to and
    including (i + 1) / n. Empty bins have confidence and accuracy 0.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: |accuracy - confidence|, by bin size."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((gaps * self.counts).sum() / self.counts.sum())

    def to_dict(self) -> dict:
        """Return the figures as JSON knows them."""
        return {
            "expected_calibration_error": self.error,
            "bin_confidence": self.confidence.tolist(),
            "bin_accuracy": self.accuracy.tolist(),
            "bin_counts": self.counts.tolist(),
        }


def calibrate(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS
) -> Calibration:
    """Bin images by the probability of the class that is predicted.

    `probabilities` are float (n, classes), `labels` integers (n,). Raises `UserError`
    where there are no images.
    """
    if not len(labels):
        raise UserError("Calibration needs images; expected at least one.")
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.arange(1, bins) / bins
    places = np.searchsorted(edges, confidence, side="left")
    counts = np.bincount(places, minlength=bins)
    filled = np.maximum(counts, 1)
    return Calibration(
        confidence=np.bincount(places, confidence, bins) / filled,
        accuracy=np.bincount(places, correct, bins) / filled,
        counts=counts,
    )


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that makes these labels likeliest.

    `probabilities` (n, classes) are of images that the model was not trained on, and
    not of the test images: the validation split. Above 1 the model was too sure.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        scaled = log_with_temperature(probabilities, np.exp(log_temperature))
        return cross_entropy(scaled, labels)

    bounds = tuple(np.log(TEMPERATURES))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def log_with_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return the logarithms of softmax(logits / temperature), float64 (n, classes).

    `probabilities` (n, classes) are the softmax of the logits. At a low temperature
    those of the result would underflow; its logarithms are finite.
    """
    # Logarithms of probabilities are logits, but for a number that softmax ignores.
    return log_softmax(np.log(np.maximum(probabilities, LEAST)) / temperature)


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Return the logarithms of the softmax of each row, without overflow."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(log_probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over the images of -log of the true class's probability."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())
