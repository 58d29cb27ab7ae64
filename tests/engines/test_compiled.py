"""fmkeras.fit equals keras.Model.fit on the same order of the samples."""

import keras
import numpy as np
import pytest
from keras import layers

from fmkeras.datasets.splits import epoch_order
from fmkeras.errors import UserError
from fmkeras.evaluation.confusion import ConfusionMatrix
from fmkeras.training.any_model import fit, predict
from fmkeras.training.per_class import PerClassMetrics

pytestmark = pytest.mark.every_backend

COUNT, BATCH, EPOCHS = 70, 32, 2  # the last batch holds six images
BACKEND = keras.backend.backend()


def small_net(classes=5, shape=(12, 10, 3), activation="softmax", **how):
    keras.utils.set_random_seed(4)
    images = keras.Input(shape)
    x = layers.Rescaling(1 / 255)(images) if how.get("scaled", True) else images
    x = layers.Conv2D(8, 3, strides=2, padding="same", kernel_regularizer="l2")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("swish")(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
    x = layers.Add()([x, y])
    x = layers.SeparableConv2D(9, 3, activation="relu", activity_regularizer="l1")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(classes, activation=activation)(x))


def sequential_net():
    keras.utils.set_random_seed(4)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.ZeroPadding2D(((0, 1), (0, 1))),
            layers.Conv2D(6, 3, strides=2, use_bias=False),
            layers.BatchNormalization(scale=False),
            layers.ReLU(6.0),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.0),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def nested_net():
    inner = small_net(7, activation=None)
    images = keras.Input((12, 10, 3))
    return keras.Model(images, layers.Dense(5)(inner(images)))


def arrays(shape, classes, form="integers", kind="uint8", count=COUNT, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, *shape)).astype(kind)
    labels = generator.integers(0, classes, count)
    targets = {
        "integers": labels,
        "column": labels[:, None],
        "one_hot": np.eye(classes, dtype="float32")[labels],
    }[form]
    return images, targets


def adam(rate=0.01):
    return keras.optimizers.Adam(rate, epsilon=1e-3)


# Of each: the model, what compile is given, images, classes and form of the labels.
CASES = {
    "integers": (
        small_net,
        dict(
            optimizer=adam,
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy", "sparse_top_k_categorical_accuracy"],
        ),
        ((12, 10, 3), 5, "integers"),
    ),
    "one_hot": (
        nested_net,
        dict(
            optimizer=lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
            loss=lambda: keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=0.1
            ),
            metrics=["accuracy"],
        ),
        ((12, 10, 3), 5, "one_hot", "float64"),
    ),
    "binary": (
        sequential_net,
        dict(
            optimizer=lambda: keras.optimizers.RMSprop(
                keras.optimizers.schedules.CosineDecay(0.01, 6), epsilon=1e-3
            ),
            loss="binary_crossentropy",
            metrics=["accuracy", lambda: keras.metrics.AUC(name="auc")],
        ),
        ((8, 8, 1), 2, "column"),
    ),
}


def compiled(name, **more):
    make, how, data = CASES[name]
    model = make()
    made = {key: value() if callable(value) else value for key, value in how.items()}
    metrics = [m() if callable(m) else m for m in made.pop("metrics")]
    model.compile(metrics=metrics, **made, **more)
    return model, data


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", CASES)
def test_fit_equals_keras_fit(name, weighted):
    ours, data = compiled(name)
    theirs, _ = compiled(name)
    theirs.set_weights(ours.get_weights())
    x, y = arrays(*data)
    validation = arrays(*data, count=40, seed=1)
    weights = np.random.default_rng(2).uniform(0.5, 2, COUNT) if weighted else None
    history = fit(
        ours,
        x,
        y,
        validation_data=validation,
        epochs=EPOCHS,
        batch_size=BATCH,
        sample_weight=weights,
        seed=3,
        verbose=False,
    ).history
    rows = []
    for epoch in range(EPOCHS):
        order = epoch_order(COUNT, 3, epoch)
        answer = theirs.fit(
            x[order],
            y[order],
            sample_weight=None if weights is None else weights[order],
            validation_data=validation,
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
        )
        rows.append({key: value[0] for key, value in answer.history.items()})
    assert sorted(history) == sorted(rows[0])
    for key, values in history.items():
        expected = [row[key] for row in rows]
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6, err_msg=key)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        predict(ours, x), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_compiled_further_it_computes_the_same():
    losses = []
    for jit in (True, False):
        model, data = compiled("integers", jit_compile=jit)
        x, y = arrays(*data)
        history = fit(model, x, y, epochs=2, batch_size=35, verbose=False).history
        losses.append(history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_callbacks_see_what_keras_shows_them(capsys):
    model, data = compiled("integers")
    model.compile(
        adam(), "sparse_categorical_crossentropy", metrics=[ConfusionMatrix(5)]
    )
    x, y = arrays(*data)
    batches = []

    class Batches(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append((batch, sorted(logs)))

    stop = keras.callbacks.EarlyStopping("val_f1/macro", mode="max", min_delta=9.0)
    history = fit(
        model,
        x,
        y,
        validation_data=(x, y),
        epochs=5,
        batch_size=BATCH,
        callbacks=[stop, Batches(), PerClassMetrics(list("abcde"))],
    ).history
    assert len(history["loss"]) == 2
    assert batches[:3] == [(n, ["loss", "macro_f1"]) for n in range(3)]
    predicted = predict(model, x).argmax(axis=1)
    recall = np.mean(predicted[y == 0] == 0)
    assert history["val_recall/a"][-1] == pytest.approx(recall)
    assert "images/s" in capsys.readouterr().out


def test_a_lambda_is_called_after_each_batch():
    model, data = compiled("integers")
    x, y = arrays(*data)
    batches = []
    each = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: batches.append(batch)
    )
    fit(model, x, y, epochs=2, batch_size=5, callbacks=[each], verbose=False)
    assert batches == 2 * list(range(-(-len(x) // 5)))


@pytest.mark.parametrize("name", ["loss_scale_factor", "LossScaleOptimizer"])
def test_a_scaled_loss_trains_as_keras_does_or_is_refused(name):
    def scaled():
        if name == "loss_scale_factor":
            return keras.optimizers.SGD(0.1, loss_scale_factor=128)
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))

    found = []
    for train in (fit, lambda model, *data, **how: model.fit(*data, **how)):
        model, data = compiled("integers")
        x, y = arrays(*data)
        model.compile(scaled(), "sparse_categorical_crossentropy")
        if train is fit and keras.backend.backend() == "torch":
            with pytest.raises(UserError, match=f"an optimizer without .*{name}"):
                fit(model, x, y)
            return
        more = {"verbose": False} if train is fit else {"verbose": 0}
        train(model, x, y, batch_size=BATCH, epochs=2, shuffle=False, **more)
        found.append(model.get_weights())
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_a_rate_that_is_a_function_is_that_of_each_step():
    found = []
    for train in (fit, lambda model, *data, **how: model.fit(*data, **how)):
        model, data = compiled("integers")
        x, y = arrays(*data)

        def rate(model=model):
            steps = keras.ops.cast(model.optimizer.iterations, "float32")
            return 0.1 * 0.8**steps

        model.compile(adam(rate), "sparse_categorical_crossentropy")
        more = {"verbose": False} if train is fit else {"verbose": 0}
        train(model, x, y, batch_size=5, epochs=2, shuffle=False, **more)
        found.append(model.get_weights())
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_a_backup_that_is_restored_goes_on_at_its_epoch(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(epoch)
            if epoch == stop:
                raise KeyboardInterrupt

    epochs, stop = [], 2
    model, data = compiled("integers")
    x, y = arrays(*data)
    for stop in (2, None):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "kept")
        how = {"epochs": 4, "callbacks": [backup, Stop()], "verbose": False}
        try:
            fit(model, x, y, **how)
        except KeyboardInterrupt:
            assert stop == 2
    assert epochs == [0, 1, 2, 2, 3]
    # What an interruption leaves is a whole model.
    assert all(np.isfinite(weights).all() for weights in model.get_weights())


def test_what_fit_cannot_take_is_said_before_training():
    model, data = compiled("integers")
    x, y = arrays(*data)
    assert len(fit(model, x, y, callbacks=None, verbose=False).history["loss"]) == 1
    odd = y.copy()
    odd[-1] = 7
    with pytest.raises(UserError, match="expected 0 to 4, one an output. Received: 7"):
        fit(model, x, odd)
    with pytest.raises(UserError, match="expected 0 to 4, one an output. Received: 7"):
        fit(model, x, y, validation_data=(x, odd))
    with pytest.raises(UserError, match="images of validation_data do not fit"):
        fit(model, x, y, validation_data=(np.repeat(x, 2, axis=-1), y))
    model.layers[-1].trainable = False
    with pytest.raises(UserError, match="compile again"):
        fit(model, x, y)


def test_named_outputs_are_given_as_keras_gives_them():
    pixels = keras.Input((6,))
    model = keras.Model(pixels, {"classes": keras.layers.Dense(3)(pixels)})
    x = np.random.default_rng(0).uniform(size=(5, 6)).astype(np.float32)
    found, wanted = predict(model, x), model.predict(x, verbose=0)
    np.testing.assert_allclose(found["classes"], wanted["classes"], rtol=1e-6)


def test_class_weights_are_those_of_keras():
    losses = []
    for run in (fit, lambda model, *data, **how: model.fit(*data, **how)):
        model, data = compiled("integers")
        x, y = arrays(*data)
        how = dict(class_weight={0: 3.0, 1: 0.5}, batch_size=BATCH, shuffle=False)
        losses.append(run(model, x, y, verbose=0, **how).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


class OwnStep(keras.Model):
    def train_step(self, data):
        return {}


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda m, x, y: fit(m, x[:-1], y), "as many samples.*Received: shapes"),
        (lambda m, x, y: fit(m, x[:0], y[:0]), "at least one.*Received: shapes"),
        (lambda m, x, y: fit(m, x, y, epochs=1.5), "whole number.*Received: 1.5"),
        (lambda m, x, y: fit(m, x, y, batch_size=0), "1 or more. Received: 0"),
        (lambda m, x, y: fit(m, x, y, batch_size=16.0), "number.*Received: 16.0"),
        (lambda m, x, y: fit(m, x, y, epochs=None), "number.*Received: None"),
        (lambda m, x, y: fit(m, x, y, seed="a"), "seed is a whole.*Received: 'a'"),
        (lambda m, x, y: fit(m, x, np.array(["a"] * COUNT)), "numbers. Received"),
        (lambda m, x, y: fit(m, x, np.zeros((COUNT, 3, 3))), "do not take these"),
        (lambda m, x, y: fit(small_net(), x, y), "that was compiled"),
        (
            lambda m, x, y: fit(m, x, y, validation_data=(x,)),
            "sample_weight.*Received: 1 arrays",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(change, message):
    model, data = compiled("integers")
    before = model.get_weights()
    with pytest.raises(UserError, match=message) as caught:
        change(model, *arrays(*data))
    assert "\n" not in str(caught.value)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_models_of_their_own_ways_are_refused():
    plain = small_net()
    for model, message in (
        (OwnStep(plain.inputs, plain.outputs), "train_step of its own"),
        (keras.Model(plain.inputs, plain.outputs * 2), "2 outputs"),
    ):
        model.compile("sgd", "sparse_categorical_crossentropy")
        with pytest.raises(UserError, match=message):
            fit(model, *arrays((12, 10, 3), 5))


def test_an_optimizer_that_averages_and_accumulates_is_that_of_keras():
    found = []
    for train in (fit, lambda model, *data, **how: model.fit(*data, **how)):
        keras.utils.set_random_seed(0)
        model = small_net()
        more = {"gradient_accumulation_steps": 2, "ema_overwrite_frequency": 3}
        if BACKEND == "torch":
            more = {}
        optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8, **more)
        model.compile(optimizer, "sparse_categorical_crossentropy")
        data = arrays((12, 10, 3), 5)
        train(model, *data, batch_size=4, epochs=2, shuffle=False, verbose=0)
        found.append(model.get_weights())
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)
    for name, more in (
        ("gradient_accumulation_steps", {}),
        ("ema_overwrite_frequency", {"use_ema": True}),
    ):
        model = small_net()
        model.compile(keras.optimizers.SGD(**{name: 2}, **more), "mse")
        if BACKEND == "torch":
            expected = f"an optimizer without {name} on torch: .* Received: {name}$"
            with pytest.raises(UserError, match=expected):
                fit(model, *arrays((12, 10, 3), 5, "one_hot"))
