"""Confusion matrix, per-class figures, intervals and the classification report."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from fmkeras.labels import CLASS_NAMES, NUM_CLASSES

MEANS = ("macro", "weighted")
TOPS = ("T-shirt/top", "Pullover", "Dress", "Coat")


@dataclass(frozen=True, eq=False)
class PerClass:
    """Figures of each class: float64 (n,), `support` int64 (n,)."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def confusion_matrix(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int = NUM_CLASSES
) -> np.ndarray:
    """Count each pair of true and predicted class, int64 (n, n); rows are true.

    `labels` and `predictions` are integers (m,) from 0 to `num_classes` - 1.
    Raises `ValueError` for other shapes, types or values.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(
            "Expected as many labels as predictions, in one dimension. "
            f"Received: {labels.shape} and {predictions.shape}"
        )
    for name, values in (("labels", labels), ("predictions", predictions)):
        if not np.issubdtype(values.dtype, np.integer):
            raise ValueError(
                f"Expected {name} of an integer type. Received: {values.dtype}"
            )
        if values.size and not 0 <= values.min() <= values.max() < num_classes:
            raise ValueError(
                f"Expected {name} from 0 to {num_classes - 1}. "
                f"Received: {values.min()} to {values.max()}"
            )
    cells = labels.astype(np.int64) * num_classes + predictions
    counts = np.bincount(cells, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def accuracy(confusion: np.ndarray) -> float:
    """Return the share of correct predictions, 0 where there are no predictions."""
    return float(_ratio(np.trace(confusion), np.sum(confusion)))


def per_class(confusion: np.ndarray) -> PerClass:
    """Return precision, recall, F1 and support; a division by zero gives zero."""
    correct = np.diag(confusion)
    support = confusion.sum(axis=1)
    predicted = confusion.sum(axis=0)
    return PerClass(
        precision=_ratio(correct, predicted),
        recall=_ratio(correct, support),
        f1=_ratio(2 * correct, support + predicted),
        support=support,
    )


def mean_rates(confusion: np.ndarray) -> dict[str, dict[str, float]]:
    """Return {"macro": {...}, "weighted": {...}} of precision, recall and f1.

    The means over the classes, plain and weighted by support.
    """
    figures = per_class(confusion)
    total = figures.support.sum()
    means: dict[str, dict[str, float]] = {name: {} for name in MEANS}
    for name in ("precision", "recall", "f1"):
        values = getattr(figures, name)
        means["macro"][name] = float(values.mean())
        means["weighted"][name] = float(
            _ratio(np.multiply(values, figures.support).sum(), total)
        )
    return means


def wilson_interval(
    correct: int, total: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return Wilson's score interval for a share of `correct` out of `total`.

    Unlike the normal interval it stays within 0 and 1, and has a width at both ends
    (Wilson, 'Probable inference', 1927). Raises `ValueError` for impossible counts.
    """
    if not 0 <= correct <= total or total == 0:
        raise ValueError(
            "Expected 0 <= correct <= total and a total above 0. "
            f"Received: correct={correct}, total={total}"
        )
    if not 0 < confidence < 1:
        raise ValueError(
            f"Expected a confidence between 0 and 1. Received: {confidence}"
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = correct / total
    spread = z * math.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    centre = share + z**2 / (2 * total)
    scale = 1 + z**2 / total
    # Rounding may leave a bound slightly outside 0 and 1.
    return max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0)


def classification_report(confusion: np.ndarray, names: Sequence[str]) -> str:
    """Return the classification report in scikit-learn's form.

    Two decimals; the averages over the classes are plain (macro) and weighted by
    support. Raises `ValueError` where `names` are not one a class.
    """
    if len(names) != len(confusion):
        raise ValueError(
            f"Expected {len(confusion)} class names. Received: {len(names)}"
        )
    figures = per_class(confusion)
    rates = np.stack([figures.precision, figures.recall, figures.f1])
    total = figures.support.sum()
    width = max(len("weighted avg"), *(len(name) for name in names))

    def row(name: str, values: Sequence, support: object) -> str:
        cells = (v if isinstance(v, str) else f"{v:.2f}" for v in values)
        return f"{name:>{width}} " + "".join(f" {c:>9}" for c in (*cells, support))

    means = mean_rates(confusion)
    macro, weighted = (list(means[kind].values()) for kind in ("macro", "weighted"))
    lines = [
        row("", ("precision", "recall", "f1-score"), "support"),
        "",
        *map(row, names, rates.T, figures.support),
        "",
        row("accuracy", ("", "", accuracy(confusion)), total),
        row("macro avg", macro, total),
        row("weighted avg", weighted, total),
    ]
    return "\n".join(lines) + "\n"


def taken_for_shirts(confusion: np.ndarray) -> tuple[int, int]:
    """Return how many errors are tops taken for shirts, and how many there are.

    Tops are Fashion-MNIST's T-shirts, pullovers, dresses and coats; `confusion` is of
    its ten classes in their order. The Tiny VGG study read this off its matrix.
    """
    shirt = CLASS_NAMES.index("Shirt")
    tops = [CLASS_NAMES.index(name) for name in TOPS]
    errors = int(confusion.sum() - np.trace(confusion))
    return int(confusion[tops, shirt].sum()), errors


def most_confused(
    confusion: np.ndarray, names: Sequence[str], count: int = 5
) -> list[tuple[str, str, int]]:
    """Return the `count` most frequent errors as (true, predicted, times)."""
    errors = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-errors, axis=None, kind="stable")[:count]
    pairs = zip(*np.unravel_index(order, errors.shape), strict=True)
    return [
        (names[true], names[predicted], int(errors[true, predicted]))
        for true, predicted in pairs
        if errors[true, predicted]
    ]


def _ratio(part: np.ndarray, whole: np.ndarray | int) -> np.ndarray:
    part, whole = np.asarray(part, np.float64), np.asarray(whole)
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)
