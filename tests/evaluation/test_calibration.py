"""Calibration against cases worked out by hand, and scikit-learn."""

import numpy as np
import pytest
import sklearn.calibration

from fmkeras.errors import UserError
from fmkeras.evaluation.calibration import (
    calibrate,
    cross_entropy,
    fit_temperature,
    log_softmax,
    log_with_temperature,
)

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 10, 2_000)
LOGITS = GENERATOR.normal(size=(2_000, 10)) + 2 * np.eye(10)[LABELS]


def softmax(logits):
    return np.exp(log_softmax(logits))


def two_classes(confidence):
    """Probabilities of ten classes whose likeliest, class 0, has `confidence`."""
    rest = (1 - np.asarray(confidence)[:, None]) / 9
    return np.concatenate([np.asarray(confidence)[:, None], rest.repeat(9, 1)], axis=1)


def test_a_case_worked_out_by_hand():
    # Five bins: 0.4 (bin 2 of 1 to 5), 0.5 and 0.6 (bin 3), 0.9 and 1.0 (bin 5).
    probabilities = two_classes([0.4, 0.5, 0.6, 0.9, 1.0])
    labels = np.array([1, 0, 1, 0, 0])
    calibration = calibrate(probabilities, labels, bins=5)
    assert calibration.counts.tolist() == [0, 1, 2, 0, 2]
    np.testing.assert_allclose(calibration.confidence, [0, 0.4, 0.55, 0, 0.95])
    np.testing.assert_allclose(calibration.accuracy, [0, 0, 0.5, 0, 1])
    # (1 x 0.4 + 2 x 0.05 + 2 x 0.05) / 5
    assert calibration.error == pytest.approx(0.12)


def test_an_edge_belongs_to_the_bin_below():
    probabilities = two_classes([3 / 15, 4 / 15, 1.0])
    assert np.flatnonzero(
        calibrate(probabilities, np.zeros(3, int)).counts
    ).tolist() == [
        2,
        3,
        14,
    ]


def test_bins_equal_scikit_learn():
    probabilities = softmax(LOGITS)
    correct = probabilities.argmax(axis=1) == LABELS
    accuracy, confidence = sklearn.calibration.calibration_curve(
        correct, probabilities.max(axis=1), n_bins=15
    )
    calibration = calibrate(probabilities, LABELS)
    filled = calibration.counts > 0
    assert calibration.counts.sum() == 2_000 and len(filled) == 15
    np.testing.assert_allclose(calibration.accuracy[filled], accuracy)
    np.testing.assert_allclose(calibration.confidence[filled], confidence)


def test_a_certain_and_right_model_has_no_error():
    assert calibrate(np.eye(10)[LABELS], LABELS).error == 0


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    logits = 2 * GENERATOR.normal(size=(20_000, 10))
    shares = softmax(logits).cumsum(axis=1)
    labels = (GENERATOR.random((20_000, 1)) > shares).sum(axis=1).clip(0, 9)
    given = softmax(logits * temperature)
    found = fit_temperature(given, labels)
    assert found == pytest.approx(temperature, rel=0.03)
    scaled = np.exp(log_with_temperature(given, found))
    assert calibrate(scaled, labels).error < 0.02
    for other in (0.9 * found, 1.1 * found):
        worse = cross_entropy(log_with_temperature(given, other), labels)
        assert worse > cross_entropy(np.log(scaled), labels)


def test_a_temperature_leaves_the_predictions():
    probabilities = softmax(LOGITS)
    same = np.exp(log_with_temperature(probabilities, 1.0))
    np.testing.assert_allclose(same, probabilities)
    scaled = np.exp(log_with_temperature(probabilities, 2.5))
    np.testing.assert_allclose(scaled, softmax(LOGITS / 2.5))
    assert (scaled.argmax(axis=1) == probabilities.argmax(axis=1)).all()


def test_probabilities_of_zero_have_a_temperature():
    probabilities = np.eye(10)[(LABELS + (np.arange(2_000) % 4 == 0)) % 10]
    temperature = fit_temperature(probabilities, LABELS)
    assert temperature > 10
    assert np.isfinite(log_with_temperature(probabilities, temperature)).all()


def test_nothing_to_calibrate_on_is_refused():
    with pytest.raises(UserError, match="needs images; expected at least one"):
        calibrate(np.zeros((0, 10)), np.zeros(0, int))
