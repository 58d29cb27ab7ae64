"""Paired comparison of models on the same images.

Every figure rests on the images that one model classifies correctly and the other
does not. On 10,000 test images this detects differences that two separate intervals
would hide.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from fmkeras.errors import UserError
from fmkeras.labels import CLASS_NAMES
from fmkeras.seeds import random_generator

RESAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class Pair:
    """Two models on the same images; every difference is the first minus the second.

    Attributes:
        first, second: their names.
        only_first, only_second: number of images that only this model gets right.
        difference: of the accuracies.
        interval: the 95 % bootstrap interval of the difference.
        p_value: of McNemar's exact test, two-sided.
        adjusted: the same after Holm's correction over all pairs.
        recalls: the difference of each class's recall, float64 (classes,).
        class_names: one a class.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    difference: float
    interval: tuple[float, float]
    p_value: float
    adjusted: float
    recalls: np.ndarray
    class_names: tuple[str, ...] = CLASS_NAMES

    def to_dict(self) -> dict:
        """Return the figures as JSON knows them."""
        recalls = zip(self.class_names, self.recalls.tolist(), strict=True)
        hidden = ("recalls", "class_names")
        return {
            **{k: v for k, v in vars(self).items() if k not in hidden},
            "interval": list(self.interval),
            "recall_differences": dict(recalls),
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """All pairs of some models.

    Attributes:
        names: of the models, the most accurate first.
        accuracies: of each model.
        agreement: share of images with the same prediction, (models, models).
        pairs: every two models, the more accurate one first.
    """

    names: tuple[str, ...]
    accuracies: tuple[float, ...]
    agreement: np.ndarray
    pairs: tuple[Pair, ...]

    def to_dict(self) -> dict:
        """Return the figures as JSON knows them."""
        return {
            "accuracies": dict(zip(self.names, self.accuracies, strict=True)),
            "agreement": self.agreement.tolist(),
            "pairs": [pair.to_dict() for pair in self.pairs],
        }

    def _repr_html_(self) -> str:
        from fmkeras.evaluation.html import comparison_html  # for notebooks alone

        return comparison_html(self)


def compare(
    predictions: Mapping[str, np.ndarray],
    labels: np.ndarray,
    seed: int = 0,
    class_names: Sequence[str] = CLASS_NAMES,
) -> Comparison:
    """Compare models by their predictions, integers (n,), for the same images.

    `labels` are the true classes, integers (n,); `seed` is the bootstrap's. Raises
    `UserError` for fewer than two models.
    """
    if len(predictions) < 2:
        raise UserError(
            "A comparison needs at least two models; name more of them. "
            f"Received: {', '.join(predictions) or 'none'}"
        )
    correct = {name: values == labels for name, values in predictions.items()}
    names = sorted(predictions, key=lambda name: -correct[name].mean())
    couples = list(combinations(names, 2))
    p_values = [mcnemar(*_discordant(correct[a], correct[b])) for a, b in couples]
    pairs = [
        _pair(a, b, correct, labels, seed, tuple(class_names), *p)
        for (a, b), p in zip(
            couples, zip(p_values, holm(p_values), strict=True), strict=True
        )
    ]
    agreement = [
        [(predictions[a] == predictions[b]).mean() for b in names] for a in names
    ]
    return Comparison(
        names=tuple(names),
        accuracies=tuple(float(correct[name].mean()) for name in names),
        agreement=np.array(agreement),
        pairs=tuple(pairs),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test (1947).

    If two models were equally good, each would have half of the images that only one
    of them classifies correctly: a binomial test.
    """
    total = only_first + only_second
    less = min(only_first, only_second)
    ways = sum(math.comb(total, k) for k in range(less + 1))
    # In whole numbers: they may be too large, and their share too small, for floats.
    return min(1.0, 2 * ways / 2**total)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, step-down, after Holm (1979)."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, place in enumerate(order):
        largest = max(largest, (len(p_values) - rank) * p_values[place])
        adjusted[place] = min(1.0, largest)
    return adjusted


def bootstrap_interval(
    only_first: int, only_second: int, total: int, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the difference of two accuracies.

    To draw images with replacement is to draw the number of each kind from a
    multinomial: those that only the first model, only the second, or both or neither
    classify correctly.
    """
    rest = total - only_first - only_second
    shares = np.array([only_first, only_second, rest]) / total
    drawn = random_generator("bootstrap", seed).multinomial(total, shares, RESAMPLES)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / total, (0.025, 0.975))
    return float(low), float(high)


def _discordant(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    return int((first & ~second).sum()), int((second & ~first).sum())


def _pair(first, second, correct, labels, seed, class_names, p_value, adjusted) -> Pair:
    only = _discordant(correct[first], correct[second])
    gains = correct[first].astype(np.int64) - correct[second]
    support = np.bincount(labels, minlength=len(class_names))
    recalls = np.bincount(labels, gains, len(class_names)) / np.maximum(support, 1)
    return Pair(
        first=first,
        second=second,
        only_first=only[0],
        only_second=only[1],
        difference=float(gains.mean()),
        interval=bootstrap_interval(*only, len(labels), seed),
        p_value=p_value,
        adjusted=adjusted,
        recalls=recalls,
        class_names=class_names,
    )
