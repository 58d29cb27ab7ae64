"""ConfusionMatrix and PerClassMetrics in plain Keras equal scikit-learn."""

import csv
import warnings

import keras
import numpy as np
import pytest
from keras import ops
from sklearn import metrics as sklearn_metrics

from fmkeras.errors import UserError
from fmkeras.evaluation.confusion import ConfusionMatrix
from fmkeras.evaluation.metrics import confusion_matrix, mean_rates, per_class
from fmkeras.training.per_class import COLUMNS, RATES, PerClassMetrics

pytestmark = pytest.mark.every_backend

NAMES = ["T-shirt/top", "Bag", "Shoe", "never seen"]
COUNT = 90


def random_case(seed, missing=()):
    """Return labels, (n,), and logits, (n, 4), in which classes are missing."""
    generator = np.random.default_rng(seed)
    kept = [number for number in range(4) if number not in missing]
    labels = generator.choice(kept, COUNT)
    logits = generator.normal(size=(COUNT, 4)).astype("float32")
    logits[:, list(missing)] = -99.0
    return labels, logits


def sklearn_figures(labels, predictions, weights=None):
    """Return what scikit-learn says, by the names of the logs."""
    figures = {}
    for average, names in ((None, NAMES), ("macro", 0), ("weighted", 0)):
        values = sklearn_metrics.precision_recall_fscore_support(
            labels,
            predictions,
            labels=range(4),
            average=average,
            sample_weight=weights,
            zero_division=0.0,
        )
        for rate, value in zip(RATES, values, strict=False):
            if average is None:
                named = zip(names, value.tolist(), strict=True)
                figures |= {f"{rate}/{name}": one for name, one in named}
            else:
                figures[f"{rate}/{average}"] = float(value)
    return figures


@pytest.mark.parametrize("missing", [(), (3,), (0, 3), (1, 2, 3)])
@pytest.mark.parametrize("form", ["integers", "columns", "one_hot"])
def test_the_counts_are_those_of_scikit_learn(form, missing):
    labels, logits = random_case(len(missing), missing)
    metric = ConfusionMatrix(4)
    given = {
        "integers": labels,
        "columns": labels[:, None].astype("float32"),
        "one_hot": np.eye(4)[labels],
    }[form]
    for start in range(0, COUNT, 32):
        chosen = slice(start, start + 32)
        metric.update_state(given[chosen], logits[chosen])
    expected = sklearn_metrics.confusion_matrix(
        labels, logits.argmax(axis=1), labels=range(4)
    )
    assert metric.matrix().tolist() == expected.tolist()
    assert metric.matrix().dtype == np.int64
    macro = sklearn_figures(labels, logits.argmax(axis=1))["f1/macro"]
    assert float(metric.result()) == pytest.approx(macro, abs=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0 and not metric.matrix().any()


def test_figures_equal_scikit_learn_to_the_last_digit():
    for seed in range(200):
        generator = np.random.default_rng(seed)
        classes = int(generator.integers(2, 12))
        count = int(generator.integers(0, 300))
        labels, predictions = generator.integers(0, classes, (2, count))
        matrix = confusion_matrix(labels, predictions, classes)
        figures, means = per_class(matrix), mean_rates(matrix)
        if not count:
            assert not matrix.any() and means["macro"]["f1"] == 0
            continue
        for average in (None, "macro", "weighted"):
            expected = sklearn_metrics.precision_recall_fscore_support(
                labels,
                predictions,
                labels=range(classes),
                average=average,
                zero_division=0.0,
            )
            for rate, value in zip(RATES, expected, strict=False):
                if average is None:
                    assert getattr(figures, rate).tolist() == value.tolist()
                else:
                    assert means[average][rate] == float(value)


@pytest.mark.parametrize("threshold, scale", [(0.5, 0.0), (0.0, 0.5)])
def test_one_column_is_two_classes(threshold, scale):
    outputs = np.array([[0.9], [0.4], [0.2], [0.6]], "float32") - scale
    metric = ConfusionMatrix(2, threshold=threshold)
    metric.update_state(np.array([[1], [1], [0], [0]]), outputs)
    assert metric.matrix().tolist() == [[1, 1], [1, 1]]


def test_weights_and_labels_out_of_range():
    labels, logits = random_case(5)
    weights = np.random.default_rng(6).uniform(0.1, 3.0, COUNT)
    metric = ConfusionMatrix(4)
    metric.update_state(labels[:50], logits[:50], weights[:50, None])
    metric.update_state(labels[50:], logits[50:], weights[50:])
    expected = sklearn_metrics.confusion_matrix(
        labels, logits.argmax(axis=1), labels=range(4), sample_weight=weights
    )
    np.testing.assert_allclose(metric.matrix(), expected, rtol=1e-6)
    metric.reset_state()
    metric.update_state(np.array([-1, 4, 2]), np.eye(4, dtype="float32")[:3])
    assert metric.matrix().sum() == 1 and metric.matrix()[2, 2] == 1


def test_wrong_uses_are_named():
    with pytest.raises(ValueError, match="2 or more. Received: num_classes=1"):
        ConfusionMatrix(1)
    with pytest.raises(ValueError, match=r"3 columns.*Received: shape \(5, 4\)"):
        ConfusionMatrix(3).update_state(np.zeros(5), np.zeros((5, 4)))
    with pytest.raises(ValueError, match="names that differ"):
        PerClassMetrics(["a", "a"])
    config = keras.metrics.serialize(ConfusionMatrix(7, threshold=0.25))
    again = keras.metrics.deserialize(config)
    assert (again.num_classes, again.threshold) == (7, 0.25)


def without_accuracy(table):
    """Return a table's lines; scikit-learn names that one 'micro avg' at times."""
    lines = table.rstrip().splitlines()
    return [x for x in lines if "accuracy" not in x and "micro avg" not in x]


def make_model(metrics, columns=4, **how):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((5, 5, 1)), keras.layers.Flatten(), keras.layers.Dense(columns)]
    )
    # Nothing is learned, so that the figures can be computed afterwards.
    model.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **metrics,
        **how,
    )
    return model


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(9)
    images = generator.normal(size=(COUNT, 5, 5, 1)).astype("float32")
    return images, generator.integers(0, 3, COUNT)


@pytest.mark.parametrize("eagerly", [False, True])
def test_fit_logs_every_class_for_the_callbacks_behind(data, eagerly, tmp_path, capsys):
    images, labels = data
    metrics = ["accuracy", ConfusionMatrix(4)]
    model = make_model({"metrics": metrics}, run_eagerly=eagerly)
    per_class_metrics = PerClassMetrics(NAMES, tmp_path / "per_class.csv", verbose=1)
    stop = keras.callbacks.EarlyStopping("val_f1/Bag", mode="max", patience=1)
    plateau = keras.callbacks.ReduceLROnPlateau("f1/weighted", mode="max")
    keep = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}-{val_recall/Shoe:.3f}.keras",
        monitor="val_precision/macro",
        mode="max",
        save_best_only=True,
    )
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = model.fit(
        images[:60],
        labels[:60],
        validation_data=(images[60:], labels[60:]),
        batch_size=16,
        epochs=5,
        shuffle=False,
        verbose=0,
        callbacks=[per_class_metrics, stop, plateau, keep, log],
    ).history
    assert len(history["loss"]) == 2  # nothing gets better
    predictions = model.predict(images, verbose=0).argmax(axis=1)
    for prefix, part in (("", slice(60)), ("val_", slice(60, None))):
        expected = sklearn_figures(labels[part], predictions[part])
        for name, value in expected.items():
            assert history[prefix + name] == [value, value], name
    with open(tmp_path / "per_class.csv") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 8
    assert sum(int(row["support"]) for row in rows if row["epoch"] == "2") == 30
    with open(tmp_path / "log.csv") as file:
        (first, _) = csv.DictReader(file)
    assert float(first["val_f1/Bag"]) == history["val_f1/Bag"][0]
    assert len(list(tmp_path.glob("1-*.keras"))) == 1
    expected = sklearn_metrics.classification_report(
        labels[60:],
        predictions[60:],
        labels=range(4),
        target_names=NAMES,
        zero_division=0.0,
    )
    printed = capsys.readouterr().out
    assert without_accuracy(printed) == without_accuracy(expected)
    assert per_class_metrics.report().strip() == printed.strip()
    assert "T-shirt/top" in per_class_metrics._repr_html_()


def test_epochs_without_validation_have_no_rows_of_other_images(data, tmp_path):
    images, labels = data
    model = make_model({"metrics": [ConfusionMatrix(4)]})
    per_class_metrics = PerClassMetrics(NAMES, tmp_path / "per_class.csv")
    history = model.fit(
        images[:60],
        labels[:60],
        validation_data=(images[60:], labels[60:]),
        validation_freq=2,
        epochs=5,
        verbose=0,
        callbacks=[per_class_metrics],
    ).history
    with open(tmp_path / "per_class.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["2"] * 4 + ["4"] * 4
    assert sum(int(row["support"]) for row in rows) == 2 * 30
    assert per_class_metrics.matrix.sum() == 30
    assert len(history["f1/Bag"]) == 5 and len(history["val_f1/Bag"]) == 2


def test_training_figures_without_validation_and_with_weights(data):
    images, labels = data
    weights = np.random.default_rng(3).integers(1, 4, COUNT).astype("float32")
    model = make_model({"weighted_metrics": [ConfusionMatrix(4)]})
    history = model.fit(
        images, labels, sample_weight=weights, verbose=0, callbacks=[PerClassMetrics()]
    ).history
    predictions = model.predict(images, verbose=0).argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sklearn_figures(labels, predictions, weights)
    # Whole weights add up exactly.
    for number, name in enumerate(NAMES):
        assert history[f"f1/{number}"] == [expected[f"f1/{name}"]]
    assert history["recall/weighted"] == [expected["recall/weighted"]]


def test_an_evaluation_alone_prints_its_table(data, capsys):
    images, labels = data
    model = make_model({"metrics": [ConfusionMatrix(4)]})
    seen = PerClassMetrics(NAMES, verbose=1)
    model.evaluate(images, labels, verbose=0, callbacks=[seen])
    assert seen.matrix.sum() == COUNT and "macro avg" in capsys.readouterr().out


def test_what_is_missing_is_said(data):
    images, labels = data
    with pytest.raises(ValueError, match="expected one in.*Received: metrics"):
        make_model({}).fit(images, labels, verbose=0, callbacks=[PerClassMetrics()])
    model = make_model({"metrics": [ConfusionMatrix(4)]})
    with pytest.raises(ValueError, match="Expected 4 class names.*Received: 3"):
        model.fit(images, labels, verbose=0, callbacks=[PerClassMetrics(NAMES[:3])])

    with pytest.raises(UserError, match="other class names. Received: macro"):
        PerClassMetrics(["macro", "b", "c", "d"])


def test_counts_do_not_stop_where_float32_would():
    metric = ConfusionMatrix(2)
    metric.set_matrix(np.array([[2**24, 0], [0, 1]]))
    metric.update_state(np.zeros(1), ops.convert_to_tensor([[1.0, 0.0]]))
    assert metric.matrix()[0, 0] == 2**24 + 1
