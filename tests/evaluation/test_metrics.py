"""Metrics against scikit-learn and against figures worked out by hand."""

import numpy as np
import pytest
import sklearn.metrics

from fmkeras.evaluation import metrics
from fmkeras.labels import CLASS_NAMES


def draw(seed, count=1_000, classes=10, skill=0.7):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    guesses = generator.integers(0, classes, count)
    return labels, np.where(generator.random(count) < skill, labels, guesses)


@pytest.mark.parametrize("seed", range(5))
def test_confusion_matrix_equals_scikit_learn(seed):
    labels, predictions = draw(seed)
    confusion = metrics.confusion_matrix(labels, predictions)
    expected = sklearn.metrics.confusion_matrix(labels, predictions)
    np.testing.assert_array_equal(confusion, expected)
    assert confusion.dtype == np.int64


def test_rows_are_true_classes():
    confusion = metrics.confusion_matrix(np.array([3, 3]), np.array([1, 1]))
    assert confusion[3, 1] == 2 and confusion.sum() == 2


def test_small_integer_types_do_not_overflow():
    values = np.full(3, 9, np.uint8)
    assert metrics.confusion_matrix(values, values)[9, 9] == 3
    values = np.full(3, 99, np.uint8)
    assert metrics.confusion_matrix(values, values, 100)[99, 99] == 3


@pytest.mark.parametrize(
    "labels, predictions",
    [
        ([0, 1], [0]),
        ([[0, 1]], [[0, 1]]),
        ([0, 10], [0, 1]),
        ([0, 1], [-1, 1]),
        ([0.5, 1.0], [0, 1]),
    ],
)
def test_confusion_matrix_refuses(labels, predictions):
    with pytest.raises(ValueError, match="Received: "):
        metrics.confusion_matrix(np.array(labels), np.array(predictions))


@pytest.mark.parametrize("seed", range(5))
def test_per_class_equals_scikit_learn(seed):
    labels, predictions = draw(seed)
    figures = metrics.per_class(metrics.confusion_matrix(labels, predictions))
    expected = sklearn.metrics.precision_recall_fscore_support(labels, predictions)
    ours = (figures.precision, figures.recall, figures.f1, figures.support)
    for values, reference in zip(ours, expected, strict=True):
        np.testing.assert_allclose(values, reference, rtol=1e-14)


def test_accuracy():
    assert metrics.accuracy(np.array([[3, 1], [0, 4]])) == 7 / 8
    assert metrics.accuracy(np.zeros((2, 2), np.int64)) == 0


def sparse(seed):
    """Draw few labels, so that classes without labels or predictions occur."""
    labels, predictions = draw(seed, count=8, skill=0.3)
    # Without one hit scikit-learn prints the support as 1.0.
    predictions[0] = labels[0]
    return labels, predictions


@pytest.mark.parametrize("draw_pairs", [draw, sparse])
@pytest.mark.parametrize("seed", range(20))
def test_report_equals_scikit_learn(seed, draw_pairs):
    labels, predictions = draw_pairs(seed)
    report = metrics.classification_report(
        metrics.confusion_matrix(labels, predictions), CLASS_NAMES
    )
    expected = sklearn.metrics.classification_report(
        labels,
        predictions,
        labels=range(10),
        target_names=CLASS_NAMES,
        zero_division=0,
    )
    assert report == expected


@pytest.mark.parametrize("names", [("a", "b"), ("a name longer than the rest", "b")])
def test_report_follows_the_width_of_the_names(names):
    labels, predictions = draw(0, count=12_345, classes=2)
    report = metrics.classification_report(
        metrics.confusion_matrix(labels, predictions, 2), names
    )
    assert report == sklearn.metrics.classification_report(
        labels, predictions, target_names=names
    )


def test_report_of_nothing_is_zeros():
    report = metrics.classification_report(np.zeros((2, 2), np.int64), ("a", "b"))
    assert report.splitlines()[-1].split() == ["weighted", "avg", *["0.00"] * 3, "0"]


def test_report_refuses_a_wrong_number_of_names():
    with pytest.raises(ValueError, match="Expected 2 class names. Received: 3"):
        metrics.classification_report(np.eye(2, dtype=np.int64), ("a", "b", "c"))


def test_wilson_interval_of_known_cases():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    for correct, total, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        interval = metrics.wilson_interval(correct, total)
        np.testing.assert_allclose(interval, (low, high), atol=5e-5)


def test_wilson_interval_bounds_and_confidence():
    low, high = metrics.wilson_interval(10, 10)
    assert low < 1 and high == 1
    wide, narrow = (metrics.wilson_interval(90, 100, c) for c in (0.99, 0.9))
    assert wide[0] < narrow[0] < 0.9 < narrow[1] < wide[1]


@pytest.mark.parametrize("arguments", [(1, 0), (3, 2), (-1, 2), (1, 2, 0), (1, 2, 95)])
def test_wilson_interval_refuses(arguments):
    with pytest.raises(ValueError, match="Received: "):
        metrics.wilson_interval(*arguments)


def test_most_confused():
    confusion = np.array([[50, 3, 0], [7, 60, 0], [1, 0, 70]])
    names = ("coat", "dress", "bag")
    assert metrics.most_confused(confusion, names, 2) == [
        ("dress", "coat", 7),
        ("coat", "dress", 3),
    ]
    assert len(metrics.most_confused(confusion, names)) == 3
    assert metrics.most_confused(np.diag([1, 2, 3]), names) == []
