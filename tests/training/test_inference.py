"""What the sources' protocols need: order, frozen layers, figures at inference."""

import keras
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fmkeras.datasets.augmentation import Augmentation
from fmkeras.datasets.garments.draw import draw_garments
from fmkeras.datasets.splits import DataSplits, Subset
from fmkeras.engines import create_engine, predict
from fmkeras.models import build_model
from fmkeras.recipes import Recipe
from fmkeras.training.builders import build_loss, build_optimizer
from fmkeras.training.inference import TestLog, inference_figures

pytestmark = pytest.mark.every_backend

TRAIN = Subset(*draw_garments(48, seed=0))
TEST = Subset(*draw_garments(20, seed=1))


def make_engine(recipe, name="fashionnet"):
    model = build_model(name, init="torch", seed=0)
    return create_engine(model, build_optimizer(recipe, 3), build_loss(recipe))


def test_figures_at_inference_are_those_of_torch():
    model = build_model("lenet_relu", seed=0)
    found = inference_figures(model, DataSplits(TRAIN, None, TEST), 16, predict)
    for name, part in (("train", TRAIN), ("test", TEST)):
        logits = torch.tensor(predict(model, part.images))
        labels = torch.tensor(part.labels)
        assert found[name]["loss"] == pytest.approx(
            F.cross_entropy(logits, labels).item(), rel=1e-5
        )
        means = [
            F.cross_entropy(*batch).item()
            for batch in zip(logits.split(16), labels.split(16), strict=True)
        ]
        assert found[name]["batch_loss"] == pytest.approx(np.mean(means), rel=1e-5)
        hits = (logits.argmax(1) == labels).float().mean().item()
        assert found[name]["accuracy"] == pytest.approx(hits)
    assert found["test"]["batch_loss"] != pytest.approx(found["test"]["loss"], rel=1e-6)
    assert "train_augmented" not in found


def test_losses_at_inference_have_no_ceiling():
    """A probability stops at 1e-7 in Keras; the sources' losses go far beyond."""
    model = build_model("logistic_regression", seed=0)
    kernel, bias = model.get_weights()
    model.set_weights([kernel * 1e4, bias])
    figures = inference_figures(model, DataSplits(TRAIN, None, TEST), 16, predict)
    assert figures["test"]["loss"] > 1_000


def test_augmented_images_are_measured_too():
    model = build_model("logistic_regression", seed=0)
    split = DataSplits(TRAIN, None, TEST)
    augmentation = Augmentation(flip=True, flip_share=1.0)
    figures = inference_figures(model, split, 16, predict, augmentation)
    flipped = Subset(TRAIN.images[:, :, ::-1], TRAIN.labels)
    np.testing.assert_array_equal(augmentation.augment(TRAIN.images, 0), flipped.images)
    expected = inference_figures(model, DataSplits(flipped, None, TEST), 16, predict)
    assert figures["train_augmented"] == pytest.approx(expected["train"])


def test_the_flipped_share_is_the_recipe_s():
    images = np.zeros((2_000, 28, 28), np.uint8)
    images[:, :, 0] = 255
    found = Augmentation(flip=True, flip_share=0.7).augment(images, seed=0)
    assert found[:, 0, -1].mean() / 255 == pytest.approx(0.7, abs=0.03)


def test_each_epoch_is_measured_on_the_test_images():
    recipe = Recipe(keep="last", test_each_epoch=True)
    engine = make_engine(recipe, "lenet_relu")
    history = engine.fit(
        TRAIN, epochs=2, batch_size=16, callbacks=[TestLog(engine, TEST)]
    ).history
    totals = engine.evaluate(TEST)
    assert history["test_accuracy"][-1] == pytest.approx(totals.accuracy)
    assert history["test_loss"][-1] == pytest.approx(totals.loss, rel=1e-6)


def test_without_shuffling_every_epoch_takes_the_order_of_the_file():
    recipe = Recipe(optimizer="sgd", learning_rate=0.01, momentum=0.0, shuffle=False)
    engine = make_engine(recipe, "logistic_regression")
    twin = build_model("logistic_regression", init="torch", seed=0)
    twin.compile(build_optimizer(recipe, 3), build_loss(recipe), jit_compile=False)
    engine.fit(TRAIN, epochs=2, batch_size=16, shuffle=False)
    one_hot = np.eye(10, dtype=np.float32)[TRAIN.labels]
    twin.fit(TRAIN.images[..., None], one_hot, 16, epochs=2, shuffle=False, verbose=0)
    for here, there in zip(engine.model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-6)


def test_frozen_epochs_train_on_the_outputs_of_inference():
    recipe = Recipe(optimizer="sgd", learning_rate=0.01, momentum=0.0)
    engine = make_engine(recipe)
    engine.fit(TRAIN, epochs=1, batch_size=16, freeze_after=1)
    # One step of all images: its loss is that of inference before the step.
    expected = engine.evaluate(TRAIN).loss
    history = engine.fit(
        TRAIN, epochs=2, initial_epoch=1, batch_size=48, freeze_after=1
    ).history
    assert history["loss"][-1] == pytest.approx(expected, rel=1e-4)


def test_frozen_epochs_leave_moving_averages_and_train_the_rest():
    recipe = Recipe(optimizer="sgd", learning_rate=0.01, momentum=0.0)
    engine = make_engine(recipe)
    engine.fit(TRAIN, epochs=1, batch_size=16, freeze_after=1)

    def values(part):
        return {
            w.path: np.array(keras.ops.convert_to_numpy(w.value))
            for w in engine.model.weights
            if ("moving" in w.path) == (part == "averages")
        }

    averages, weights = values("averages"), values("weights")
    engine.fit(TRAIN, epochs=2, initial_epoch=1, batch_size=16, freeze_after=1)
    for path, value in values("averages").items():
        np.testing.assert_array_equal(value, averages[path])
    kernels = [path for path in weights if "kernel" in path or "gamma" in path]
    assert kernels
    for path in kernels:
        assert not np.array_equal(values("weights")[path], weights[path]), path
