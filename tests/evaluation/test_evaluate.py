"""Evaluations against scikit-learn, with models that are known through and through."""

import json

import keras
import numpy as np
import pytest
import sklearn.metrics

from fmkeras.errors import UserError
from fmkeras.evaluation.evaluate import (
    as_probabilities,
    evaluate_model,
    evaluate_outputs,
    fit_on_validation,
    output_kind,
)
from fmkeras.evaluation.text import evaluation_text
from fmkeras.labels import CLASS_NAMES

pytestmark = [
    pytest.mark.every_backend,
    # Keras turns torch tensors into arrays in a way that NumPy 2 frowns on.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 10, 300)
IMAGES = GENERATOR.integers(0, 256, (300, 28, 28), np.uint8)
LOGITS = (GENERATOR.normal(size=(300, 10)) + 2 * np.eye(10)[LABELS]).astype(np.float32)


def keras_predict(model, images, on_batch):
    return model.predict(images, verbose=0)


def softmax(logits):
    powers = np.exp(np.float64(logits))
    return powers / powers.sum(axis=1, keepdims=True)


def evaluate(outputs, images=IMAGES, labels=LABELS):
    return evaluate_model(None, images, labels, lambda *_, **__: outputs)


def linear_model(activation=None):
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="scale")(pixels)
    x = keras.layers.Flatten(name="flatten")(x)
    logits = keras.layers.Dense(10, activation=activation, name="logits")(x)
    model = keras.Model(pixels, logits)
    kernel = np.random.default_rng(1).normal(size=(784, 10)) / 10
    model.set_weights([kernel, np.zeros(10)])
    return model


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_a_keras_model(activation):
    evaluation = evaluate_model(linear_model(activation), IMAGES, LABELS, keras_predict)
    kernel = np.random.default_rng(1).normal(size=(784, 10)) / 10
    expected = softmax(IMAGES.reshape(300, 784) / 255 @ kernel)
    confusion = sklearn.metrics.confusion_matrix(LABELS, expected.argmax(axis=1))
    np.testing.assert_array_equal(evaluation.confusion, confusion)
    assert evaluation.loss == pytest.approx(
        sklearn.metrics.log_loss(LABELS, expected), abs=1e-5
    )
    assert evaluation.outputs == ("probabilities" if activation else "logits")


def test_the_model_sees_every_image_once():
    seen = []

    def predict(model, images, on_batch):
        seen.append((model, images))
        return LOGITS

    evaluate_model("the model", IMAGES, LABELS, predict)
    [(model, images)] = seen
    assert model == "the model" and images is IMAGES


def test_figures_equal_scikit_learn():
    evaluation = evaluate(LOGITS)
    predictions = LOGITS.argmax(axis=1)
    expected = sklearn.metrics.accuracy_score(LABELS, predictions)
    assert evaluation.count == 300
    assert 0.4 < expected < 0.9 and evaluation.accuracy == pytest.approx(expected)
    assert evaluation.interval[0] < expected < evaluation.interval[1]
    np.testing.assert_allclose(
        evaluation.per_class.f1,
        sklearn.metrics.f1_score(LABELS, predictions, average=None),
    )
    assert evaluation.examples_per_second > 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_probabilities_and_logits_give_the_same_figures(dtype):
    of_logits = evaluate(LOGITS)
    of_probabilities = evaluate(softmax(LOGITS).astype(dtype))
    assert of_logits.outputs == "logits"
    assert of_probabilities.outputs == "probabilities"
    expected = sklearn.metrics.log_loss(LABELS, softmax(LOGITS))
    assert of_logits.loss == pytest.approx(expected, rel=1e-6)
    assert of_probabilities.loss == pytest.approx(expected, rel=1e-3)


def test_large_logits_and_certain_mistakes_have_a_finite_loss():
    outputs = np.full((300, 10), -1e4, np.float32)
    outputs[:, 0] = 1e4
    labels = np.ones(300, np.int64)
    assert evaluate(outputs, labels=labels).loss == pytest.approx(2e4)
    certain = np.tile(np.eye(10)[0], (300, 1))
    evaluation = evaluate(certain, labels=labels)
    assert evaluation.outputs == "probabilities"
    assert evaluation.loss == pytest.approx(-np.log(1e-7))
    assert evaluation.accuracy == 0 and evaluation.interval[0] == 0


def test_positive_scores_beyond_one_are_logits():
    assert evaluate(np.full((300, 10), 1.5)).outputs == "logits"
    assert evaluate(softmax(LOGITS) * 9).outputs == "logits"


def test_as_json():
    evaluation = evaluate(LOGITS)
    text = json.dumps(evaluation.to_dict(), allow_nan=False)
    content = json.loads(text)
    assert content["accuracy"] == evaluation.accuracy
    assert content["accuracy_interval_95"] == list(evaluation.interval)
    assert content["confusion_matrix"] == evaluation.confusion.tolist()
    assert list(content["per_class"]) == list(CLASS_NAMES)
    bag = content["per_class"]["Bag"]
    assert bag["support"] == (LABELS == 8).sum()
    assert bag["recall"] == evaluation.per_class.recall[8]
    assert content["most_confused"][0]["count"] > 0


def test_as_text():
    evaluation = evaluate(softmax(LOGITS))
    text = evaluation_text(evaluation)
    report = sklearn.metrics.classification_report(
        LABELS, LOGITS.argmax(axis=1), target_names=CLASS_NAMES
    )
    assert text.startswith(report)
    assert f"Accuracy {evaluation.accuracy:.4f} (95 % interval 0." in text
    # Five pairs, and the share of tops taken for shirts.
    assert text.count(" taken for ") == 6 and "300 images" in text
    assert "logits" not in text and "logits" in evaluation_text(evaluate(LOGITS))


def test_the_errors_of_the_highest_confidence():
    evaluation = evaluate(LOGITS)
    errors = evaluation.confident_errors(7)
    probabilities = softmax(LOGITS)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != LABELS)
    order = wrong[np.argsort(-probabilities[wrong].max(axis=1))]
    assert [error["image"] for error in errors] == order[:7].tolist()
    for error in errors:
        index = error["image"]
        assert error["true"] == CLASS_NAMES[LABELS[index]]
        assert error["predicted"] == CLASS_NAMES[LOGITS[index].argmax()]
        assert error["confidence"] == pytest.approx(probabilities[index].max())
    assert len(evaluation.confident_errors(1_000)) == len(wrong)
    assert json.dumps(errors)


def test_a_temperature_is_fitted_on_other_images():
    evaluation = evaluate(5 * LOGITS[:200], IMAGES[:200], LABELS[:200])
    validation_subset = softmax(5 * LOGITS[200:])
    fitted = fit_on_validation(evaluation, validation_subset, LABELS[200:])
    assert 2 < fitted.value < 10 and fitted.fitted_on == 100
    assert fitted.error < evaluation.calibration.error
    expected = sklearn.metrics.log_loss(
        LABELS[:200], softmax(5 / fitted.value * LOGITS[:200])
    )
    assert fitted.loss == pytest.approx(expected) and fitted.loss < evaluation.loss


def test_a_temperature_far_below_one_has_a_finite_loss():
    """Its probabilities underflow: the validation images say that the model is right,
    and a test image that it is not."""
    sure = softmax(60 * np.eye(10)[LABELS[:200]])
    labels = np.where(np.arange(200) == 7, (LABELS[:200] + 1) % 10, LABELS[:200])
    evaluation = evaluate(sure, IMAGES[:200], labels)
    with np.errstate(all="raise", under="ignore"):
        fitted = fit_on_validation(evaluation, sure[:100] ** 0.05, LABELS[:100])
    assert fitted.value < 0.1 and 1 < fitted.loss < 100
    assert json.dumps(vars(fitted), allow_nan=False)


def test_a_faultless_model_has_no_confused_pairs():
    assert "confused" not in evaluation_text(evaluate(np.eye(10)[LABELS]))


def test_outputs_that_are_no_numbers_are_refused():
    outputs = LOGITS.copy()
    outputs[5, 5] = np.nan
    with pytest.raises(UserError, match="diverged.*Received: "):
        evaluate(outputs)


def test_nothing_to_evaluate_on_is_refused():
    with pytest.raises(UserError, match="at least one"):
        evaluate(LOGITS[:0], IMAGES[:0], LABELS[:0])


@pytest.mark.parametrize(
    "outputs, labels", [(LOGITS, LABELS[1:]), (LOGITS[1:], LABELS), (LOGITS.T, LABELS)]
)
def test_shapes_that_do_not_fit_are_refused(outputs, labels):
    with pytest.raises(ValueError, match="Received: "):
        evaluate(outputs, labels=labels)


def test_sigmoids_are_told_from_logits_and_probabilities():
    rng = np.random.default_rng(0)
    sigmoids = rng.random((40, 10))
    labels = rng.integers(0, 10, 40)
    evaluation = evaluate_outputs(sigmoids, labels, 1.0)
    assert evaluation.outputs == "sigmoids"
    shares = sigmoids / sigmoids.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(evaluation.probabilities, shares)

    assert output_kind(shares) == "probabilities"
    assert output_kind(sigmoids - 0.5) == output_kind(np.zeros((3, 10))) == "logits"
    # No class at all is as likely as any other.
    silent = np.vstack([np.zeros(10), np.ones(10)])
    np.testing.assert_allclose(as_probabilities(silent), np.full((2, 10), 0.1))
