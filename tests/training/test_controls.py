"""Early stopping, class weights, callbacks: exact in each engine and on resuming."""

import csv

import keras
import numpy as np
import pytest

from fmkeras.datasets.splits import Subset, epoch_order
from fmkeras.engines import create_engine
from fmkeras.errors import UserError
from fmkeras.models import build_model
from fmkeras.recipes import Recipe, find_recipe
from fmkeras.training.builders import (
    build_class_weights,
    build_loss,
    build_optimizer,
)
from fmkeras.training.fit import fit

pytestmark = pytest.mark.every_backend

COUNT = 40


@pytest.fixture(scope="module")
def part():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (COUNT, 28, 28)).astype(np.uint8)
    # Classes of 4, 8 and 28 images.
    return Subset(images, np.repeat([0, 1, 2], [4, 8, 28]))


def test_the_rate_is_reached_in_a_training_of_one_epoch():
    recipe = find_recipe("default", "lenet").replace(epochs=1)
    optimizer, rates = build_optimizer(recipe, 100), []
    for step in range(100):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert max(rates) > 0.5 * recipe.learning_rate
    assert rates.index(max(rates)) < 50


def test_balanced_weights_are_those_of_scikit_learn(part):
    from sklearn.utils.class_weight import compute_class_weight

    found = build_class_weights(Recipe(class_weights="balanced"), part.labels, 3)
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=part.labels)
    np.testing.assert_allclose(found, wanted)
    assert build_class_weights(Recipe(), part.labels, 3) is None
    # Of a class that only the test has there is nothing to weigh.
    balanced = Recipe(class_weights="balanced")
    found = build_class_weights(balanced, part.labels, 5)
    np.testing.assert_allclose(found[:3], wanted)
    assert len(found) == 5


@pytest.mark.parametrize("changes", [{}, {"label_smoothing": 0.1}, {"compile": "yes"}])
def test_class_weights_are_those_of_keras(part, changes):
    recipe = Recipe(optimizer="sgd", momentum=0.9, learning_rate=0.05, **changes)
    weights = build_class_weights(
        recipe.replace(class_weights="balanced"), part.labels, 3
    )
    ours = build_model("mlp", 3, hidden_units=(8,), seed=1)
    engine = create_engine(
        ours,
        build_optimizer(recipe, 1),
        build_loss(recipe),
        class_weights=weights,
        compile_step=recipe.compile == "yes",
    )
    history = engine.fit(part, part, epochs=2, batch_size=16, shuffle=False).history
    theirs = build_model("mlp", 3, hidden_units=(8,), seed=1)
    theirs.compile(build_optimizer(recipe, 1), build_loss(recipe))
    pixels = part.images[..., None].astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[part.labels]
    wanted = theirs.fit(
        pixels,
        targets,
        validation_data=(pixels, targets),
        epochs=2,
        batch_size=16,
        shuffle=False,
        class_weight=dict(enumerate(weights)),
        verbose=0,
    ).history
    for one, two in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=2e-5)
    # Of the images as they are: how often a class comes is no matter of validation.
    np.testing.assert_allclose(history["val_loss"], wanted["val_loss"], rtol=1e-4)
    np.testing.assert_allclose(history["loss"], wanted["loss"], rtol=1e-4)


class Stop(Exception):
    pass


class StopAt(keras.callbacks.Callback):
    """Ends a run as an interruption does, when it has kept an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Stop


def accuracies(folder):
    with open(folder / "history.csv") as file:
        return [float(row["val_accuracy"]) for row in csv.DictReader(file)]


def test_a_run_that_goes_on_stops_where_it_would_have(tmp_path, garments, capsys):
    # A rate that learns at first and then only shakes the weights.
    recipe = Recipe(
        epochs=12,
        batch_size=64,
        learning_rate=0.05,
        early_stopping=2,
        class_weights="balanced",
    )
    whole = fit("linear", recipe, garments, folder=tmp_path / "whole", seed=1)
    found = accuracies(tmp_path / "whole")
    assert len(found) < 12
    best = found.index(max(found))
    assert len(found) == best + 3
    assert whole.kept_epoch == best + 1
    assert whole.record["stopped_after"] == len(found)
    assert f"Stopped after epoch {len(found)}" in capsys.readouterr().out
    # Interrupted before the epoch that ends it, and after it.
    for epoch in (len(found) - 2, len(found) - 1):
        folder = tmp_path / f"stopped{epoch}"
        with pytest.raises(Stop):
            fit(
                "linear",
                recipe,
                garments,
                folder=folder,
                seed=1,
                callbacks=[StopAt(epoch)],
            )
        again = fit("linear", recipe, garments, folder=folder, seed=1)
        assert accuracies(folder) == found
        for one, two in zip(
            whole.model.get_weights(), again.model.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, two)


def test_callbacks_of_keras_change_the_rate_and_stop(part):
    """As in `model.fit`: a rate that is set after an epoch holds from the next on."""
    recipe = Recipe(optimizer="adam", learning_rate=0.01)

    def callbacks():
        return [
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
            keras.callbacks.EarlyStopping("loss", min_delta=10.0, patience=2),
        ]

    ours = build_model("mlp", 3, hidden_units=(8,), seed=1)
    engine = create_engine(ours, build_optimizer(recipe, 1), build_loss(recipe))
    history = engine.fit(part, epochs=9, batch_size=16, callbacks=callbacks()).history
    theirs = build_model("mlp", 3, hidden_units=(8,), seed=1)
    theirs.compile(build_optimizer(recipe, 1), build_loss(recipe))
    pixels = part.images[..., None].astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[part.labels]
    rates = []
    for epoch in range(len(history["loss"])):
        rates.append(0.01 / 2 ** (epoch + 1))
        theirs.optimizer.learning_rate = rates[-1]
        order = epoch_order(COUNT, 0, epoch)
        theirs.fit(pixels[order], targets[order], 16, shuffle=False, verbose=0)
    assert len(rates) == 3
    np.testing.assert_allclose(history["learning_rate"], rates, rtol=1e-6)
    for one, two in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=2e-5)


def test_a_rate_that_a_callback_sets_is_kept_for_resuming(tmp_path, garments):
    class Slower(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                self.model.optimizer.learning_rate = 1e-4

    class StopBefore(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise Stop

    recipe = Recipe(epochs=2, batch_size=64, learning_rate=0.05)
    stopped = {"folder": tmp_path, "callbacks": [Slower(), StopBefore()]}
    with pytest.raises(Stop):
        fit("linear", recipe, garments, **stopped)
    resumed = fit("linear", recipe, garments, folder=tmp_path, callbacks=[Slower()])
    rates = [row["learning_rate"] for row in resumed.history]
    np.testing.assert_allclose(rates, [0.05, 1e-4], rtol=1e-6)


def test_a_stop_within_an_epoch_ends_it(part):
    """As in `model.fit`, which asks after each batch."""

    class StopNow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    model = build_model("mlp", 3, hidden_units=(8,), seed=1)
    optimizer = build_optimizer(Recipe(), 1)
    engine = create_engine(model, optimizer, build_loss(Recipe()))
    history = engine.fit(part, epochs=3, batch_size=8, callbacks=[StopNow()]).history
    assert len(history["loss"]) == 1
    assert int(optimizer.iterations) < COUNT // 8


def test_early_stopping_needs_images_to_go_by():
    with pytest.raises(UserError, match="early_stopping goes by the validation"):
        Recipe(early_stopping=3, data_split="full", keep="last")
    with pytest.raises(UserError, match="without swa_epochs"):
        Recipe(early_stopping=3, swa_epochs=2)
    with pytest.raises(UserError, match="Bad class_weights"):
        Recipe(class_weights="heavy")


def test_a_run_of_before_there_were_these_fields_goes_on(tmp_path, garments):
    import json

    recipe = Recipe(epochs=2, batch_size=64)
    with pytest.raises(Stop):
        fit("linear", recipe, garments, folder=tmp_path, callbacks=[StopAt(0)])
    config = json.loads((tmp_path / "config.json").read_text())
    del config["recipe"]["early_stopping"], config["recipe"]["class_weights"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert len(fit("linear", recipe, garments, folder=tmp_path).history) == 2
