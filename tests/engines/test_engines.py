"""The compiled steps compute what `keras.Model.fit` computes."""

import keras
import numpy as np
import pytest

from fmkeras.datasets.splits import Subset, epoch_order
from fmkeras.engines import create_engine, predict
from fmkeras.engines.engine import evaluation_batch
from fmkeras.errors import UserError
from fmkeras.models import build_model
from fmkeras.models.initializers import initialize
from fmkeras.recipes import Recipe
from fmkeras.training.builders import build_loss, build_optimizer

pytestmark = pytest.mark.every_backend

COUNT, BATCH = 130, 32  # the last batch holds two images


def make_model(dropout=0.0, scale=1.0):
    layers = keras.layers
    pixels = keras.Input((28, 28, 1))
    x = layers.Rescaling(scale / 255)(pixels)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(6, 3, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(6, 3)(x)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(dropout)(x)
    model = keras.Model(pixels, layers.Dense(10)(x))
    initialize(model, "keras", seed=0)
    return model


@pytest.fixture(scope="module")
def part():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (COUNT, 28, 28)).astype(np.uint8)
    return Subset(images, generator.integers(0, 10, COUNT))


def make_engine(model, recipe=None, **changes):
    recipe = recipe or Recipe()
    return create_engine(
        model, build_optimizer(recipe, 5), build_loss(recipe), l2=recipe.l2, **changes
    )


RECIPES = {
    "adam": Recipe(amsgrad=True, label_smoothing=0.1),
    "adamw": Recipe(
        optimizer="adamw",
        weight_decay=0.01,
        schedule="cosine",
        warmup_epochs=1.0,
        clip_norm=1.0,
        epochs=3,
    ),
    "sgd": Recipe(optimizer="sgd", schedule="step", step_epochs=1, epochs=3),
    "sgd-decoupled": Recipe(
        optimizer="sgd", schedule="linear", weight_decay=0.05, epochs=3
    ),
    "muon": Recipe(optimizer="muon", learning_rate=0.01, schedule="linear", epochs=3),
}


@pytest.mark.parametrize("name", RECIPES)
def test_fit_equals_keras_fit(part, name):
    recipe = RECIPES[name]
    ours, theirs = make_model(), make_model()
    theirs.set_weights(ours.get_weights())
    history = make_engine(ours, recipe).fit(
        part, part, epochs=3, batch_size=BATCH, seed=7
    )
    theirs.compile(build_optimizer(recipe, 5), build_loss(recipe), jit_compile=False)
    losses = []
    for epoch in range(3):
        order = epoch_order(COUNT, 7, epoch)
        answer = theirs.fit(
            part.images[order][..., None].astype("float32"),
            np.eye(10, dtype=np.float32)[part.labels[order]],
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
        )
        losses += answer.history["loss"]
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-5)
    if recipe.optimizer != "sgd":
        return  # Adam divides by the size of a gradient: rounding grows in tiny ones.
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [pytest.param("adamw", marks=pytest.mark.slow), "sgd"])
def test_a_compiled_step_computes_the_same(part, name):
    figures = {}
    for compiled in (False, True):
        model = make_model()
        engine = make_engine(model, RECIPES[name], compile_step=compiled)
        history = engine.fit(part, None, epochs=3, batch_size=BATCH, seed=7).history
        figures[compiled] = history["loss"]
        # Batch normalisation's averages are written too.
        averages = [v for v in model.weights if "moving" in v.path]
        assert all(np.ptp(v.numpy()) > 0 for v in averages)
    np.testing.assert_allclose(figures[True], figures[False], rtol=1e-5)


def test_a_compiled_step_draws_dropout_from_the_seed(part):
    def losses(seed):
        engine = make_engine(make_model(dropout=0.5), compile_step=True)
        return engine.fit(part, None, epochs=2, batch_size=65, seed=seed).history

    once, again, other = losses(1), losses(1), losses(2)
    assert once["loss"] == again["loss"] != other["loss"]


def test_l2_is_added_to_the_gradient(part):
    plain, decayed = make_model(), make_model()
    decayed.set_weights(plain.get_weights())
    before = plain.trainable_variables[-2].numpy()
    recipe = Recipe(optimizer="sgd", momentum=0.0, learning_rate=0.1)
    for model, l2 in ((plain, 0.0), (decayed, 0.5)):
        make_engine(model, recipe.replace(l2=l2)).fit(
            part, None, epochs=1, batch_size=COUNT
        )
    difference = (
        plain.trainable_variables[-2].numpy() - decayed.trainable_variables[-2].numpy()
    )
    np.testing.assert_allclose(difference, 0.1 * 0.5 * before, rtol=1e-3, atol=1e-6)


def test_totals_equal_a_pass_by_hand(part):
    model = make_model()
    engine = make_engine(model)
    totals = engine.evaluate(part)
    logits = engine.predict(part.images)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_shares = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_shares[np.arange(COUNT), part.labels].mean()
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (part.labels, logits.argmax(axis=1)), 1)
    assert totals.confusion.tolist() == confusion.tolist()
    assert totals.loss == pytest.approx(loss, rel=1e-5)
    assert totals.accuracy == np.trace(confusion) / COUNT


def test_training_counts_every_image_once(part):
    engine = make_engine(make_model())
    engine.fit(part, part, epochs=1, batch_size=BATCH)
    for totals in engine.totals.values():
        assert (
            totals.confusion.sum(axis=1).tolist() == np.bincount(part.labels).tolist()
        )


@pytest.mark.parametrize("batch_size", [1, 130, 10_000])
def test_any_batch_size_trains(part, batch_size):
    small = Subset(part.images[:130], part.labels[:130])
    model = make_model()
    before = model.get_weights()
    engine = make_engine(model)
    history = engine.fit(small, small, epochs=1, batch_size=batch_size)
    assert np.isfinite(history.history["loss"][0])
    assert [totals.confusion.sum() for totals in engine.totals.values()] == [130, 130]
    for one, other in zip(before, model.get_weights(), strict=True):
        assert not np.array_equal(one, other)


def test_the_same_seed_gives_the_same_run_with_dropout(part):
    start = make_model(0.5).get_weights()

    def run(seed):
        model = make_model(0.5)
        model.set_weights(start)
        make_engine(model).fit(part, part, epochs=2, batch_size=BATCH, seed=seed)
        return model.get_weights()

    first, again, other = run(0), run(0), run(1)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any((one != two).any() for one, two in zip(first, other, strict=True))


def test_dropout_differs_from_step_to_step(part):
    # One image again and again, nothing learned: only the masks can differ.
    model = make_model(0.5)
    recipe = Recipe(optimizer="sgd", momentum=0.0, learning_rate=1e-12)
    one = Subset(part.images[:1].repeat(4, axis=0), part.labels[:1].repeat(4))
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["loss"])

    make_engine(model, recipe).fit(
        one, None, epochs=3, batch_size=1, callbacks=[Watch()]
    )
    assert len(set(seen)) == 3


def test_keras_callbacks_work(part):
    model = make_model()
    stop = keras.callbacks.EarlyStopping(
        "val_loss", patience=1, min_delta=100.0, restore_best_weights=True
    )
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=100.0)
    after_first = {}

    class Remember(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            after_first.setdefault("weights", self.model.get_weights())

    history = make_engine(model).fit(
        part,
        part,
        epochs=9,
        batch_size=BATCH,
        callbacks=[Remember(), plateau, stop],
    )
    assert len(history.history["loss"]) == 2
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(1e-4)
    for one, other in zip(model.get_weights(), after_first["weights"], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_diverging_run_says_so(part):
    recipe = Recipe(optimizer="sgd", learning_rate=1e30)
    with pytest.raises(UserError, match=r"training diverged.*at step \d of epoch 1, "):
        make_engine(make_model(scale=1e9), recipe).fit(
            part, part, epochs=3, batch_size=BATCH
        )


def test_mixed_precision_trains_close_to_float32(part):
    plain = make_model()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = make_model()
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(plain.get_weights())
    losses = []
    for model in (plain, mixed):
        history = make_engine(model).fit(part, part, epochs=2, batch_size=BATCH)
        losses.append(history.history["loss"][-1])
    assert all(variable.dtype == "float32" for variable in mixed.trainable_variables)
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert losses[1] != losses[0]


def test_predict_equals_keras_predict_in_any_batches(part):
    model = make_model()
    expected = model.predict(part.images[..., None].astype("float32"), verbose=0)
    counts = []
    outputs = predict(model, part.images, 50, counts.append)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    assert outputs.dtype == np.float32 and counts == [50, 50, 30]
    assert predict(model, part.images[:0]).shape == (0, 10)


@pytest.mark.parametrize(
    ("name", "expected"), [("mlp", 1000), ("cnn", 1000), ("resnet18", 419)]
)
def test_larger_models_are_measured_on_fewer_images_at_once(name, expected):
    assert evaluation_batch(build_model(name)) == expected
