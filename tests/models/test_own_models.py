"""The networks designed here, on every backend: sizes counted by hand."""

import keras
import numpy as np
import pytest

from fmkeras.errors import UserError
from fmkeras.models import build_model, list_own_models, model_info
from fmkeras.models.registry import build_graph

pytestmark = pytest.mark.every_backend

# Kernels and biases, then two numbers a channel for each normalisation.
PARAMETERS = {
    # Eighteen convolutions of 3 x 3, three stages of 16, 32 and 64 channels.
    "preact_resnet": 9 * (16 + 6 * 16**2 + 16 * 32 + 5 * 32**2 + 32 * 64 + 5 * 64**2)
    + (16 * 32 + 32 * 64)
    + 2 * (7 * 16 + 6 * 32 + 6 * 64 - 16 + 16)
    + 650,
    "conv_pool": 9 * (24 + 24 * 64 + 64**2 + 64 * 256 + 3 * 256**2)
    + 2 * (24 + 2 * 64 + 4 * 256)
    + 2_570,
    "separable": 103_106,
    "fmk_100k": 99_178,
    "fmk_1m": 909_354,
    "fmk_10m": 9_677_578,
}
SIZES = [
    ("preact_resnet", {"depth": 14, "width": 12}, 98_638),
    ("conv_pool", {"stem": 24, "widths": (28, 44, 60)}, 99_178),
    (
        "conv_pool",
        {"stem": 16, "widths": (24, 32, 48), "convs_per_stage": 3},
        95_754,
    ),
]


def count_trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_weights)


def some_images(count):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, 28, 28, 1)).astype(np.float32)


def test_families_and_their_sizes():
    assert set(PARAMETERS) <= set(list_own_models())
    for name, parameters in PARAMETERS.items():
        assert model_info(name).parameters == parameters
        assert count_trainable(build_graph(name)) == parameters
    for name, options, parameters in SIZES:
        assert count_trainable(build_graph(name, **options)) == parameters


@pytest.mark.parametrize("name", PARAMETERS)
def test_network_is_of_stock_layers_and_comes_back_from_a_file(name, tmp_path):
    small = {
        "preact_resnet": {"depth": 8, "width": 4},
        "conv_pool": {"stem": 4, "widths": (4, 6, 8), "convs_per_stage": 3},
        "separable": {"widths": (4, 8, 12), "blocks_per_stage": 2, "expansion": 2},
    }.get(name, {})
    for init in ("keras", "torch"):
        model = build_model(name, init=init, seed=3, **small)
        logits = model.predict_on_batch(some_images(2))
        assert logits.shape == (2, 10)
        assert np.isfinite(logits).all()
        assert np.ptp(logits, axis=0).max() > 0
    for layer in model.layers:
        assert getattr(keras.layers, type(layer).__name__) is type(layer), layer
        assert layer.name not in ("conv2d", "dense", "activation", "add")
    path = tmp_path / f"{name}.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    np.testing.assert_allclose(
        loaded.predict_on_batch(some_images(2)), logits, rtol=1e-5, atol=1e-5
    )


def test_the_seed_alone_draws_the_weights():
    nets = [
        build_model("separable", widths=(4, 8, 12), seed=seed) for seed in (1, 1, 2)
    ]
    first, again, other = (
        np.concatenate([w.ravel() for w in n.get_weights()]) for n in nets
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("preact_resnet", {"depth": 18}, "6 n [+] 2"),
        ("preact_resnet", {"depth": 2}, "6 n [+] 2"),
        ("conv_pool", {"widths": (8, 16)}, "three whole numbers"),
        ("separable", {"expansion": 0}, "Bad expansion"),
    ],
)
def test_a_shape_of_no_use_is_refused(name, options, message):
    with pytest.raises(UserError, match=message):
        build_model(name, **options)
