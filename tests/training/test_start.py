"""Training that goes on from a file: its weights, its architecture, frozen layers."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from fmkeras.artifacts.keras_file import load_artifact, save_artifact
from fmkeras.errors import UserError
from fmkeras.models import build_model
from fmkeras.recipes import Recipe
from fmkeras.training.run import train
from fmkeras.training.start import (
    copy_weights,
    freeze_up_to,
    network_of_file,
    start_from,
    to_logits,
)

pytestmark = pytest.mark.every_backend

RECIPE = Recipe(epochs=1, batch_size=64, learning_rate=0.01)
THREE = ("top", "trouser", "pullover")


@pytest.fixture(scope="module")
def three(garments):
    """The images of three classes."""

    def chosen(images, labels):
        keep = labels < 3
        return images[keep], labels[keep]

    x_train, y_train = chosen(garments.x_train, garments.y_train)
    x_test, y_test = chosen(garments.x_test, garments.y_test)
    return dataclasses.replace(
        garments,
        name="three",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        class_names=THREE,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A file of ten classes with batch normalisation, by its path."""
    model = build_model("tinyvgg_bn", seed=5)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([weight + 0.5 for weight in layer.get_weights()])
    card = {"model": "tinyvgg_bn", "dataset": {"name": "fashion-mnist"}}
    return save_artifact(model, "ten", card, tmp_path_factory.mktemp("saved"))


def weights_of(path):
    model = load_artifact(path)
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def test_frozen_layers_stay_and_a_new_head_is_trained(saved, three, tmp_path):
    run = train(
        "tinyvgg_bn",
        RECIPE,
        three,
        out=tmp_path / "out",
        runs=tmp_path / "runs",
        init_from=saved,
        freeze="block_2-part_2-norm",
    )
    before, after = weights_of(saved), weights_of(run.artifact)
    start = run.record["start"]
    assert start["file"] == "ten.keras" and start["new_layers"] == ["logits"]
    assert start["classes"][0] == "T-shirt/top" and "sha256" in start
    assert start["frozen_up_to"] == start["frozen"][-1] == "block_2-part_2-norm"
    # The file's card tells of no training here.
    assert start["elsewhere"]
    assert json.loads(run.artifact.with_suffix(".json").read_text())["start"] == start
    for name, weights in after.items():
        same = all(map(np.array_equal, before[name], weights))
        assert same == (name in start["frozen"]), name
    assert run.artifact.name == "tinyvgg_bn-three.keras"
    assert load_artifact(run.artifact).output_shape == (None, 3)
    assert all(layer.trainable for layer in load_artifact(run.artifact).layers)


def test_all_weights_are_taken_where_the_classes_are_the_same(saved):
    model = build_model("tinyvgg_bn", seed=1)
    assert copy_weights(to_logits(load_artifact(saved)), model) == []
    images = np.random.default_rng(0).uniform(0, 255, (4, 28, 28, 1))
    logits = keras.ops.softmax(model(images.astype(np.float32)))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(logits),
        load_artifact(saved).predict(images, verbose=0),
        atol=1e-5,
    )


def test_other_classes_get_a_new_head_though_they_are_as_many(saved, garments):
    model = build_model("tinyvgg_bn", seed=1)
    shoes = [f"shoe {number}" for number in range(10)]
    assert start_from(model, saved, None, garments.class_names)["new_layers"] == []
    assert start_from(model, saved, None, shoes)["new_layers"] == ["logits"]


def test_weights_of_other_pixels_are_refused(saved, garments):
    model = build_model("tinyvgg_bn", preprocessing="standardise")
    with pytest.raises(UserError, match="expected standardise.*Received: scale"):
        start_from(model, saved, None, garments.class_names)


def test_a_network_that_was_frozen_learns_as_a_whole(tmp_path):
    model = build_model("lenet_relu")
    for layer in model.layers[:4]:
        layer.trainable = False
    path = tmp_path / "frozen.keras"
    model.save(path)
    network = network_of_file(path, "keras", "float32", 0, 10)
    assert len(network.trainable_variables) == len(model.variables)


@pytest.mark.parametrize("nested", [True, False])
def test_a_hidden_softmax_is_not_trained_through(tmp_path, nested):
    """The softmax of a softmax learns little, and nothing told of it."""
    layers = keras.layers
    pixels = keras.Input((28, 28, 1))
    x = layers.Flatten()(layers.Rescaling(1 / 255)(pixels))
    if nested:
        inner = keras.Sequential([keras.Input((784,)), layers.Dense(10, "softmax")])
        scores = inner(x)
    else:
        scores = keras.ops.softmax(layers.Dense(10)(x))
    path = tmp_path / "hidden.keras"
    keras.Model(pixels, scores).save(path)
    with pytest.raises(UserError, match="expected logits, or a softmax as its own"):
        network_of_file(path, "keras", "float32", 0, 10)


def test_the_architecture_of_another_file_is_trained_anew(three, tmp_path):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    path = tmp_path / "mine.keras"
    model.save(path)
    run = train(str(path), RECIPE, three, out=tmp_path / "out", runs=tmp_path / "runs")
    assert run.artifact.name == "mine-three.keras"
    assert run.record["architecture"]["file"] == "mine.keras"
    assert run.evaluation.accuracy > 0.5
    again = train(str(path), RECIPE, three, out=None, runs=tmp_path / "runs")
    assert again.evaluation.accuracy == run.evaluation.accuracy
    goes_on = train(
        str(path),
        RECIPE,
        three,
        out=None,
        runs=tmp_path / "runs",
        init_from=run.artifact,
    )
    assert goes_on.record["start"]["new_layers"] == []
    assert goes_on.record["train"]["loss"] < run.record["train"]["loss"]


@pytest.mark.parametrize("init", ["keras", "torch"])
def test_an_architecture_of_any_convolutions_gets_new_weights(init, tmp_path):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(4, 3, strides=4),
            layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.SeparableConv2D(4, 3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    path = tmp_path / "mine.keras"
    model.save(path)
    one, two = (network_of_file(path, init, "float32", 1, 10) for _ in range(2))
    assert [w.shape for w in one.get_weights()] == [w.shape for w in two.get_weights()]
    for ours, again in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, again)
    kernel, bias = one.layers[2].get_weights()
    assert kernel.any() and bool(bias.any()) == (init == "torch")
    assert np.abs(bias).max() <= 1 / 3


def test_another_architecture_is_refused(saved):
    with pytest.raises(UserError, match="another architecture.*layer"):
        copy_weights(to_logits(load_artifact(saved)), build_model("lenet"))


def test_layers_to_freeze_are_named():
    model = build_model("lenet")
    with pytest.raises(UserError, match="expected one of: conv_1.*'conv9'"):
        freeze_up_to(model, "conv9")
    with pytest.raises(UserError, match="nothing to train"):
        freeze_up_to(model, model.layers[-1].name)


@pytest.mark.parametrize("end", ["softmax", "layer", "activation", "sigmoid", "none"])
def test_logits_are_what_the_last_activation_is_taken_of(end):
    layers = keras.layers
    pixels = keras.Input((28, 28))
    kind = end if end in ("softmax", "sigmoid") else None
    x = layers.Dense(5, activation=kind)(layers.Flatten()(pixels))
    if end == "layer":
        x = layers.Softmax()(x)
    if end == "activation":
        x = layers.Activation("softmax")(x)
    model = keras.Model(pixels, x)
    logits = to_logits(model)
    images = np.random.default_rng(0).uniform(0, 1, (3, 28, 28)).astype(np.float32)
    found = keras.ops.convert_to_numpy(logits(images))
    expected = keras.ops.convert_to_numpy(model(images))
    if end == "sigmoid":
        found = 1 / (1 + np.exp(-found))
    elif end != "none":
        found = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_layer_that_the_network_has_not_is_no_other_head():
    """With a hidden layer less, the last one was made anew without a word."""
    wide = build_model("mlp", hidden_units=(64, 32))
    for units, received in (
        ((64,), r"layer \w+"),
        ((64, 16), r"\[.*\]"),
        ((64, 32, 16), r"no such layer|\[.*\]"),
    ):
        told = f"of another architecture; expected .*Received: ({received})$"
        with pytest.raises(UserError, match=told):
            copy_weights(wide, build_model("mlp", hidden_units=units))
    other = build_model("mlp", hidden_units=(64, 32), num_classes=3)
    assert copy_weights(wide, other) == ["logits"]
