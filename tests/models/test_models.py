"""Every network of the registry, on every backend."""

import hashlib

import keras
import numpy as np
import pytest

from fmkeras.engines.gradients import gradient_function
from fmkeras.errors import UserError
from fmkeras.models import (
    build_model,
    count_multiply_adds,
    layer_rows,
    list_models,
    model_info,
    model_rows,
    models_table,
    show_model,
)
from fmkeras.models.registry import build_graph

pytestmark = pytest.mark.every_backend

# Written out again here, so that a slip in the catalogue does not prove itself.
PARAMETERS = {
    "mynet": 892_346,
    "lenet": 61_706,
    "alexnet_tiny": 3_661_514,
    "alexnet": 46_764_746,
    "vgg11": 128_806_154,
    "nin": 1_992_166,
    "googlenet": 5_992_090,
    "resnet18": 11_178_378,
    "densenet": 757_730,
    "fashionnet": 139_754,
    "lenet_relu": 32_998,
    "logistic_regression": 7_850,
    "mlp": 242_762,
    "cnn": 1_663_146,
    "linear": 7_960,
    "tinyvgg": 7_740,
    "tinyvgg_3": 5_560,
}
# Variations of these: counted by hand from PyTorch's own.
VARIANTS = {
    "tinyvgg_bn": 11_244,
    "fashionnet_64": 669_674,
    "vgg13": 128_990_666,
    "vgg16": 134_300_362,
    "vgg19": 139_610_058,
    "resnet34": 21_290_250,
}

# Each of their steps, saves and loads takes seconds, under jax much more.
HEAVY = {"alexnet", "vgg11", "nin", "googlenet", "resnet18", "densenet"}
HEAVY_MARKED = [
    pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name
    for name in list_models()
]


def some_images(count, seed=0):
    """Bright patches on black, uint8 (count, 28, 28, 1)."""
    generator = np.random.default_rng(seed)
    patches = generator.integers(0, 256, (count, 7, 7, 1), dtype=np.uint8)
    patches[generator.random(patches.shape) < 0.4] = 0
    return patches.repeat(4, axis=1).repeat(4, axis=2)


def count_trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_weights)


def weights_checksum(model):
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight, np.float32).tobytes())
    return digest.hexdigest()


def logits_of(model, images):
    return model.predict_on_batch(images)


def test_the_specification_and_the_registry_name_the_same_networks():
    assert list_models() == list(PARAMETERS)
    assert list_models(variants=True) == [*PARAMETERS, *VARIANTS]


@pytest.mark.parametrize("name", list_models())
def test_network_is_as_specified(name):
    model = build_model(name, seed=3)
    assert model.name == name
    assert count_trainable(model) == PARAMETERS[name]
    assert model_info(name).parameters == PARAMETERS[name]
    assert model.input_shape == (None, 28, 28, 1)
    assert model.output_shape == (None, 10)
    assert not model.compiled
    for layer in model.layers:
        assert getattr(keras.layers, type(layer).__name__) is type(layer), layer
        assert not isinstance(layer, keras.layers.Lambda)
        assert "." not in layer.name
    logits = logits_of(model, some_images(2))
    assert logits.shape == (2, 10)
    assert np.isfinite(logits).all()
    # Softmax would make the rows sum to one.
    assert not np.allclose(logits.sum(axis=1), 1)


@pytest.mark.parametrize("name", HEAVY_MARKED)
def test_names_and_weights_come_from_the_seed_alone(name):
    first = build_model(name, seed=3)
    again = build_model(name, seed=3)
    other = build_model(name, seed=4)
    assert [layer.name for layer in first.layers] == [
        layer.name for layer in again.layers
    ]
    assert first.get_config() == again.get_config()  # with the seeds of dropout
    assert weights_checksum(first) == weights_checksum(again)
    assert weights_checksum(first) != weights_checksum(other)


@pytest.mark.parametrize("name", HEAVY_MARKED)
def test_gradient_steps_lower_the_loss(name):
    info = model_info(name)
    # Without dropout: its masks move the loss of four images more than a step does.
    still = {"dropout": 0.0} if "dropout" in info.options else {}
    model = build_model(name, init="keras", seed=1, **still)
    large = info.input_size > 28
    images, labels = (
        (some_images(2), np.array([0, 1]))
        if large
        else (some_images(4), np.array([0, 1, 2, 3]))
    )
    step = gradient_function(model)
    losses = []
    for _ in range(3 if large else 6):
        loss, gradients, _ = step(images, labels)
        losses.append(loss)
        for variable, gradient in zip(
            model.trainable_variables, gradients, strict=True
        ):
            assert np.isfinite(gradient).all(), variable.path
            variable.assign_sub(0.01 * gradient)
    assert np.mean(losses[-2:]) < losses[0]


@pytest.mark.parametrize("name", HEAVY_MARKED)
def test_saved_and_loaded_network_gives_the_same(name, tmp_path):
    model = build_model(name, preprocessing="standardise", seed=1)
    path = tmp_path / f"{name}.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    images = some_images(3)
    np.testing.assert_array_equal(logits_of(loaded, images), logits_of(model, images))


@pytest.mark.parametrize(
    ("init", "checksum"),
    [
        ("keras", "bc0dea14c8eb01af"),
        ("torch", "eea3f146efb18724"),
    ],
)
def test_weights_of_a_seed_are_those_of_every_backend(init, checksum):
    model = build_model("cnn", init=init, seed=7)
    assert weights_checksum(model).startswith(checksum)


def test_torch_initialisation_has_the_bounds_of_pytorch():
    model = build_model("lenet", init="torch")
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            limit = 1 / np.sqrt(kernel.size / kernel.shape[-1])
            assert 0.95 * limit < np.abs(kernel).max() <= limit
            assert 0.4 * limit < np.abs(bias).max() <= limit
            assert abs(kernel.mean()) < limit / 5


def test_keras_initialisation_is_glorot_uniform_with_zero_biases():
    layer = build_model("mlp").get_layer("dense_1")
    kernel, bias = layer.get_weights()
    limit = np.sqrt(6 / (784 + 256))
    assert 0.99 * limit < np.abs(kernel).max() <= limit
    assert not bias.any()


def test_standardise_takes_the_mean_pixel_to_zero():
    scaled = build_model("logistic_regression").get_layer("rescale")
    standard = build_model("logistic_regression", preprocessing="standardise")
    pixels = np.array([[0.0, 255.0, 0.2860 * 255]])
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(scaled(pixels)), [[0, 1, 0.2860]], atol=1e-6
    )
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(standard.get_layer("rescale")(pixels)),
        [[-0.2860 / 0.3530, (1 - 0.2860) / 0.3530, 0]],
        atol=1e-6,
    )


def test_dropout_repeats_with_the_seed():
    images = np.ones((4, 28, 28, 1))
    draws = []
    for _ in range(2):
        keras.utils.set_random_seed(0)  # torch's own generator, as training sets it
        model = build_model("mynet", seed=5)
        draws.append(keras.ops.convert_to_numpy(model(images, training=True)))
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0][0], draws[0][1])


def test_options_change_the_network():
    assert build_model("lenet", num_classes=3).output_shape == (None, 3)
    assert build_model("mlp", hidden_units=[32]).count_params() == 785 * 32 + 33 * 10
    assert build_model("cnn", dropout=0.1).get_layer("dropout_1").rate == 0.1
    wide = build_model("mynet", input_shape=(32, 40, 3))
    assert wide(np.zeros((1, 32, 40, 3))).shape == (1, 10)


SMALLEST = {
    "depth": 8,
    "dropout": 0.0,
    "hidden_units": (1,),
    "layers_per_block": (1,) * 5,
    "widths": (1, 1, 1),
}


@pytest.mark.parametrize(
    "name", [name for name in list_models() if model_info(name).options]
)
def test_the_smallest_options_build(name):
    options = {key: SMALLEST.get(key, 1) for key in model_info(name).options}
    assert build_graph(name, **options).output_shape == (None, 10)


@pytest.mark.parametrize(
    "name", [name for name in list_models() if model_info(name).smallest_input > 1]
)
def test_smallest_input_is_the_smallest_that_builds(name):
    smallest = model_info(name).smallest_input
    model = build_model(name, input_shape=(smallest, smallest, 1))
    assert model.output_shape == (None, 10)
    with pytest.raises(UserError, match="input_shape"):
        build_model(name, input_shape=(smallest - 1, 28, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "lenett"}, "Did you mean lenet"),
        ({"name": "mynet", "width": 3}, "dropout"),
        ({"name": "lenet", "dropout": 0.5}, "none"),
        ({"name": "mynet", "dropout": 1.0}, "from 0"),
        ({"name": "mlp", "hidden_units": ()}, "from 1 to"),
        ({"name": "mlp", "hidden_units": 64}, "from 1 to"),
        ({"name": "mlp", "hidden_units": (64, 0)}, "from 1 to"),
        ({"name": "densenet", "layers_per_block": (1,) * 6}, "1 to 5 whole numbers"),
        ({"name": "lenet", "num_classes": 1}, "at least 2"),
        ({"name": "lenet", "input_shape": (28, 28)}, "height, width"),
        ({"name": "lenet", "preprocessing": "none"}, "scale, standardise, symmetric"),
        ({"name": "lenet", "init": "he"}, "keras, torch"),
        ({"name": "lenet", "seed": -1}, "zero or above"),
    ],
)
def test_bad_arguments_end_in_one_line(arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        build_model(**arguments)
    assert "\n" not in str(caught.value)
    assert "Received: " in str(caught.value)


def test_a_name_is_registered_once():
    from fmkeras.models.lenet import lenet
    from fmkeras.models.registry import register

    with pytest.raises(ValueError, match="Received twice: lenet"):
        register(lenet)


def test_multiply_adds_are_those_counted_by_hand():
    convolutions = 28 * 28 * 6 * 25 + 10 * 10 * 16 * 150
    dense = 400 * 120 + 120 * 84 + 84 * 10
    assert count_multiply_adds(build_model("lenet")) == convolutions + dense
    rows = {row["layer"]: row for row in layer_rows(build_model("lenet"))}
    assert rows["conv_2"] == {
        "layer": "conv_2",
        "kind": "Conv2D",
        "output": [10, 10, 16],
        "parameters": 2_416,
        "multiply_adds": 240_000,
    }


def test_multiply_adds_of_other_layers_are_those_counted_by_hand():
    pixels = keras.Input((28, 28, 1))
    x = keras.layers.SeparableConv2D(4, 3, strides=2, padding="same")(pixels)
    assert count_multiply_adds(keras.Model(pixels, x)) == 14 * 14 * (9 + 4)
    y = keras.layers.Conv2DTranspose(3, 5, strides=2)(x)
    assert count_multiply_adds(keras.Model(x, y)) == 14 * 14 * 25 * 4 * 3
    z = keras.layers.Dense(7)(x)
    assert count_multiply_adds(keras.Model(x, z)) == 14 * 14 * 4 * 7
    unknown = keras.layers.EinsumDense("abcd,de->abce", (14, 14, 2))(x)
    assert count_multiply_adds(keras.Model(x, unknown)) is None


def test_multiply_adds_of_inner_models_of_any_size_are_those_of_our_images():
    layers = keras.layers
    body = keras.Sequential(
        [keras.Input((None, None, 1)), layers.Conv2D(2, 3), layers.BatchNormalization()]
    )
    pixels = keras.Input((None, None, 1))
    x = layers.GlobalAveragePooling2D()(body(pixels))
    model = keras.Model(pixels, layers.Dense(10)(x))
    convolution = 26 * 26 * 9 * 2
    assert count_multiply_adds(model) == convolution + 20
    outer = keras.Sequential([keras.Input((None, None, 1)), model])
    assert count_multiply_adds(outer) == convolution + 20
    rows = layer_rows(model)
    assert rows[0]["output"] == [28, 28, 1]
    assert rows[1]["output"] == [26, 26, 2]
    assert rows[1]["multiply_adds"] == convolution
    # A layer of two calls computes twice, and the model itself stays as it was.
    twice = body.layers[0](layers.Conv2D(1, 3)(body.layers[0](pixels)[..., :1]))
    counted = count_multiply_adds(keras.Model(pixels, twice))
    assert counted == convolution + 24 * 24 * 9 + 22 * 22 * 9 * 2
    assert model.get_layer(index=2).output is x


def test_show_prints_layers_and_sums():
    lines = show_model("lenet").splitlines()
    assert len(lines) == 2 + len(build_model("lenet").layers)
    assert lines[-1].split() == ["total", "61,706", "416,520"]
    assert show_model("mlp", markdown=True, hidden_units=(7,)).endswith(
        "| total |  |  | 5,575 | 5,558 |"
    )
    with pytest.raises(UserError, match="Did you mean"):
        show_model("lenet5")


def test_models_table_tells_files_from_weights(tmp_path):
    (tmp_path / "lenet.keras").write_bytes(bytes(250_000))
    rows = model_rows(["lenet", "linear"], tmp_path)
    assert [row["bytes_of"] for row in rows] == ["file", "weights"]
    assert rows[1]["bytes"] == 4 * 7_960
    heads, lenet, linear = models_table(rows).splitlines()
    assert heads.startswith("name") and "multiply-adds" in heads
    assert " 0.25 MB" in lenet and "89.00 %" in lenet
    assert "(0.03 MB)" in linear and "70.89 % (after 10 epochs" in linear
    assert models_table(rows, markdown=True).count("\n") == 3
