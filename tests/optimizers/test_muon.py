"""Muon against torch's own, and on kernels of four axes."""

import keras
import numpy as np
import pytest

from fmkeras.optimizers import Muon
from fmkeras.optimizers.linear_decay import LinearDecay
from fmkeras.optimizers.muon import newton_schulz
from fmkeras.recipes import Recipe
from fmkeras.training.builders import build_optimizer

pytestmark = pytest.mark.every_backend


def steps_of(optimizer, start, gradients, name="kernel"):
    variable = keras.Variable(start, name=name)
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return keras.ops.convert_to_numpy(variable.value)


@pytest.mark.parametrize("shape", [(3, 3, 5, 7), (1, 1, 4, 24), (30, 12)])
def test_kernels_move_as_torch_moves_the_matrices(shape, monkeypatch):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    start = generator.normal(size=shape).astype(np.float32)
    gradients = generator.normal(size=(6, *shape)).astype(np.float32)
    ours = steps_of(Muon(0.02, momentum=0.9, weight_decay=0.1), start, gradients)
    # torch has a row an output, and iterates in bfloat16: here in float32.
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self)
    outputs = shape[-1]
    weight = torch.nn.Parameter(torch.tensor(start.reshape(-1, outputs).T.copy()))
    theirs = torch.optim.Muon([weight], lr=0.02, momentum=0.9, weight_decay=0.1)
    for gradient in gradients:
        weight.grad = torch.tensor(gradient.reshape(-1, outputs).T.copy())
        theirs.step()
    expected = weight.detach().numpy().T.reshape(shape)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "name"), [((6,), "bias"), ((4, 5), "logits"), ((3, 3, 4, 1), "depthwise")]
)
def test_other_weights_move_by_sgd_at_their_own_rate(shape, name):
    generator = np.random.default_rng(0)
    start = generator.normal(size=shape).astype(np.float32)
    gradients = generator.normal(size=(4, *shape)).astype(np.float32)
    ours = steps_of(Muon(0.02, momentum=0.9, others_rate=0.5), start, gradients, name)
    sgd = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    np.testing.assert_allclose(
        ours, steps_of(sgd, start, gradients), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("last", ["predictions", "fc"])
def test_a_network_of_any_names_keeps_its_last_and_depthwise_kernels_from_muon(last):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="first"),
            layers.DepthwiseConv2D(3, name="conv_dw_1"),
            layers.SeparableConv2D(4, 3, name="mixed"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, name=last),
        ]
    )
    recipe = Recipe(optimizer="muon", learning_rate=0.05)
    optimizer = build_optimizer(recipe, 10, model)
    optimizer.build(model.trainable_variables)
    pairs = zip(model.trainable_variables, optimizer._are_kernels, strict=True)
    chosen = [variable.path for variable, is_kernel in pairs if is_kernel]
    assert [path.split("/")[-2] for path in chosen] == ["first", "mixed"]
    assert chosen[1].endswith("/pointwise_kernel")


@pytest.mark.parametrize("shape", [(8, 40), (40, 8)])
def test_newton_schulz_leaves_singular_values_near_one(shape):
    matrix = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = keras.ops.convert_to_numpy(
        newton_schulz(keras.ops.convert_to_tensor(matrix))
    )
    values = np.linalg.svd(found, compute_uv=False)
    assert 0.6 < values.min() and values.max() < 1.3
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    assert np.linalg.norm(found - left @ right) < 0.4 * np.linalg.norm(left @ right)


def test_it_trains_in_keras_and_comes_back_from_its_config():
    generator = np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(4, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    optimizer = Muon(0.05, momentum=0.8, others_rate=2.0, steps=4, exclude="none")
    copy = Muon.from_config(optimizer.get_config())
    assert copy.get_config() == optimizer.get_config()
    model.compile(copy, "mse")
    x = generator.normal(size=(32, 6, 6, 1))
    y = generator.normal(size=(32, 2))
    losses = model.fit(x, y, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "arguments", [{"momentum": 1.0}, {"others_rate": 0.0}, {"steps": 0}]
)
def test_an_argument_out_of_range_is_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        Muon(**arguments)


def test_linear_decay_falls_to_zero():
    schedule = LinearDecay(0.2, 8)
    rates = [float(keras.ops.convert_to_numpy(schedule(t))) for t in range(10)]
    expected = [0.2 * max(1 - t / 8, 0) for t in range(10)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose([schedule.at_step(t) for t in range(10)], expected)
    assert LinearDecay.from_config(schedule.get_config()).steps == 8
