"""Explanations of nets whose answers are known, on every backend."""

import keras
import numpy as np
import pytest

from fmkeras.analysis.explain import (
    feature_maps,
    first_filters,
    grad_cam,
    last_maps,
    saliency,
)
from fmkeras.artifacts.keras_file import to_inference_model
from fmkeras.engines.gradients import input_gradients
from fmkeras.models import build_model

every_backend = pytest.mark.every_backend

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (3, 28, 28), np.uint8)
CLASSES = np.array([0, 4, 9])


def conv_net(flat=False):
    """Two 3 x 3 convolutions of known weights, pooling, and a dense layer."""
    zeros = {"kernel_initializer": "zeros"}  # random ones take long under jax
    shape = (28, 28) if flat else (28, 28, 1)
    pixels = keras.Input(shape, name="pixels")
    x = keras.layers.Reshape((28, 28, 1), name="shape")(pixels) if flat else pixels
    x = keras.layers.Rescaling(1 / 255, name="scale")(x)
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv_1", **zeros)(x)
    x = keras.layers.Conv2D(6, 3, activation="relu", name="conv_2", **zeros)(x)
    x = keras.layers.MaxPooling2D(2, name="pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    model = keras.Model(pixels, keras.layers.Dense(10, name="logits", **zeros)(x))
    weights = np.random.default_rng(1)
    model.set_weights([weights.normal(size=w.shape) / 4 for w in model.get_weights()])
    return model


def run(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


@every_backend
def test_gradients_equal_finite_differences():
    model = conv_net()
    inputs = IMAGES[..., None].astype(np.float32)
    gradients = input_gradients(model, inputs, CLASSES)
    assert gradients.shape == inputs.shape and gradients.dtype == np.float32
    for image, row, column in [(0, 14, 14), (1, 5, 20), (2, 25, 3)]:
        step = np.zeros_like(inputs)
        step[image, row, column] = 0.5
        above, below = (run(model, inputs + sign * step) for sign in (1, -1))
        expected = (above - below)[image, CLASSES[image]]
        found = gradients[image, row, column, 0]
        assert found == pytest.approx(expected, rel=0.05, abs=2e-4)


@every_backend
@pytest.mark.parametrize("flat", [False, True])
def test_saliency_is_the_gradient_of_the_score_not_of_the_probability(flat):
    model = conv_net(flat)
    expected = np.abs(input_gradients(conv_net(), IMAGES[..., None], CLASSES))[..., 0]
    expected /= expected.max(axis=(1, 2), keepdims=True)
    maps = saliency(to_inference_model(model), IMAGES, CLASSES)
    assert maps.shape == (3, 28, 28) and (maps.max(axis=(1, 2)) == 1).all()
    np.testing.assert_allclose(maps, expected, atol=1e-4)


@every_backend
def test_grad_cam_by_hand():
    model = to_inference_model(conv_net())
    # Nothing negative before the pooling, so that no window has two maxima.
    model.get_layer("conv_2").bias.assign(np.full(6, 9.0))
    assert last_maps(model).shape[1:] == (24, 24, 6)  # before the pooling
    conv_2 = keras.Model(model.inputs[0], model.get_layer("conv_2").output)
    values = run(conv_2, IMAGES[..., None].astype(np.float32))
    # The gradient through max pooling: the dense weight where the maximum stands.
    kernel = keras.ops.convert_to_numpy(model.get_layer("logits").kernel)
    lit = []
    for number, label in enumerate(CLASSES):
        dense = kernel[:, label].reshape(12, 12, 6)
        windows = values[number].reshape(12, 2, 12, 2, 6)
        hit = windows == windows.max(axis=(1, 3), keepdims=True)
        gradient = hit * dense[:, None, :, None]
        weights = gradient.sum(axis=(0, 1, 2, 3)) / 24**2
        expected = np.maximum((values[number] * weights).sum(axis=-1), 0)
        found = grad_cam(model, IMAGES[[number]], CLASSES[[number]])[0]
        np.testing.assert_allclose(
            found, expected / max(expected.max(), 1e-9), atol=1e-3
        )
        lit.append((found > 0).mean())
    assert any(lit)


@pytest.mark.parametrize("name", ["lenet", "cnn", "tinyvgg_bn"])
def test_networks_have_maps_of_their_last_convolution(name):
    model = to_inference_model(build_model(name))
    size = {"lenet": 10, "cnn": 7, "tinyvgg_bn": 7}[name]
    maps = grad_cam(model, IMAGES, CLASSES)
    assert maps.shape == (3, size, size)
    assert maps.min() >= 0 and maps.max() <= 1 and np.isfinite(maps).all()


def test_a_net_of_branches_is_cut_where_they_meet():
    model = to_inference_model(
        build_model("densenet", growth=4, layers_per_block=(1, 1, 1, 1))
    )
    maps = grad_cam(model, IMAGES[:1], CLASSES[:1])
    assert maps.shape[0] == 1 and maps.shape[1] >= 3


@pytest.mark.parametrize("name", ["mlp", "linear"])
def test_a_net_of_dense_layers_has_saliency_and_no_maps(name):
    model = to_inference_model(build_model(name))
    assert grad_cam(model, IMAGES, CLASSES) is None
    assert feature_maps(model, IMAGES[0]) is None
    assert saliency(model, IMAGES, CLASSES).shape == (3, 28, 28)
    layer, filters = first_filters(model)
    kernel = keras.ops.convert_to_numpy(model.get_layer(layer).kernel)
    np.testing.assert_array_equal(filters[3].ravel(), kernel[:, 3])


@every_backend
def test_filters_and_feature_maps():
    model = conv_net()
    layer, filters = first_filters(model)
    kernel = keras.ops.convert_to_numpy(model.get_layer("conv_1").kernel)
    assert layer == "conv_1" and filters.shape == (4, 3, 3)
    np.testing.assert_array_equal(filters[2], kernel[:, :, 0, 2])
    name, maps = feature_maps(model, IMAGES[1])
    assert name == "conv_1" and maps.shape == (4, 26, 26)
    bias = keras.ops.convert_to_numpy(model.get_layer("conv_1").bias)
    window = IMAGES[1, 5:8, 9:12] / 255
    expected = max((window * kernel[:, :, 0, 2]).sum() + bias[2], 0)
    assert maps[2, 5, 9] == pytest.approx(expected, abs=1e-5)


def test_first_weights_of_another_form_are_not_shown():
    pixels = keras.Input((28, 28, 1))
    x = keras.layers.UpSampling2D(2)(pixels)
    x = keras.layers.Dense(3)(x)
    model = keras.Model(pixels, keras.layers.Dense(10)(keras.layers.Flatten()(x)))
    assert first_filters(model) is None and last_maps(model) is None
