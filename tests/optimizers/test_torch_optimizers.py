"""Adam, AdamW and RMSprop against those of `torch.optim`, on every backend."""

import keras
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fmkeras.optimizers import Muon, Ranger21, TorchAdam, TorchRMSprop

pytestmark = pytest.mark.every_backend

STEPS = 60
# Ours, and what it is to equal: arguments of both.
PAIRS = {
    "adam": (
        lambda: TorchAdam(0.01),
        lambda p: torch.optim.Adam(p, lr=0.01),
    ),
    "adam-l2": (
        lambda: TorchAdam(0.01, l2=0.1),
        lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    ),
    # So large that where it is added decides what comes out.
    "adam-epsilon": (
        lambda: TorchAdam(0.01, epsilon=1e-2),
        lambda p: torch.optim.Adam(p, lr=0.01, eps=1e-2),
    ),
    "adam-betas": (
        lambda: TorchAdam(0.01, beta_1=0.0, beta_2=0.9),
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.0, 0.9)),
    ),
    "adamw-amsgrad": (
        lambda: TorchAdam(0.01, weight_decay=0.1, amsgrad=True),
        lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, amsgrad=True),
    ),
    "rmsprop": (
        lambda: TorchRMSprop(0.01),
        lambda p: torch.optim.RMSprop(p, lr=0.01),
    ),
    "rmsprop-l2": (
        lambda: TorchRMSprop(0.01, rho=0.9, epsilon=1e-3, l2=0.1),
        lambda p: torch.optim.RMSprop(
            p, lr=0.01, alpha=0.9, eps=1e-3, weight_decay=0.1
        ),
    ),
}


def draw(shape, seed, scale=1.0):
    values = np.random.default_rng(seed).standard_normal(shape) * scale
    return values.astype(np.float32)


@pytest.mark.parametrize("pair", PAIRS)
def test_each_step_through_apply_is_that_of_torch(pair):
    make, make_torch = PAIRS[pair]
    shapes = [(5, 3), (3,), ()]
    here = [keras.Variable(draw(s, i)) for i, s in enumerate(shapes)]
    there = [torch.tensor(draw(s, i)) for i, s in enumerate(shapes)]
    optimizer, oracle = make(), make_torch(there)
    optimizer.build(here)
    for step in range(STEPS):
        # From gradients near epsilon to large ones, some of them zero.
        scale = 10.0 ** (step % 9 - 7)
        gradients = [draw(s, (step, i), scale) for i, s in enumerate(shapes)]
        gradients[0][step % 5] = 0
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], here)
        for weight, gradient in zip(there, gradients, strict=True):
            weight.grad = torch.tensor(gradient)
        oracle.step()
        for mine, other in zip(here, there, strict=True):
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(mine.value),
                other.numpy(),
                rtol=2e-5,
                atol=2e-6,
                err_msg=f"step {step + 1}",
            )


@pytest.mark.parametrize("run_eagerly", [True, False])
@pytest.mark.parametrize("pair", ["adam", "adam-l2", "adamw-amsgrad", "rmsprop"])
def test_model_fit_walks_the_path_of_torch(pair, run_eagerly):
    make, make_torch = PAIRS[pair]
    x, y = draw((STEPS * 4, 6), 1), draw((STEPS * 4, 2), 2)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(8, activation="tanh")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    twin = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)
    )
    weights = iter(model.get_weights())
    for parameter in twin.parameters():
        parameter.data = torch.tensor(next(weights).T.copy())

    means = []  # over the batches so far
    model.compile(make(), loss="mse", run_eagerly=run_eagerly, jit_compile=False)
    log = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: means.append(float(logs["loss"]))
    )
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[log])
    path = np.diff(np.array(means) * np.arange(1, STEPS + 1), prepend=0)
    oracle = make_torch(list(twin.parameters()))
    expected = []
    for batch, target in zip(
        torch.tensor(x).split(4), torch.tensor(y).split(4), strict=True
    ):
        oracle.zero_grad()
        loss = F.mse_loss(twin(batch), target)
        loss.backward()
        oracle.step()
        expected.append(loss.item())
    np.testing.assert_allclose(path, expected, rtol=1e-4)
    for mine, other in zip(model.get_weights(), twin.parameters(), strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy().T, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("pair", ["adam", "rmsprop"])
def test_a_step_compiled_by_the_backend_is_the_same(pair):
    make, _ = PAIRS[pair]
    results = []
    for jit_compile in (False, True):
        inputs = keras.Input((6,))
        model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
        model.set_weights([draw((6, 2), 0), draw((2,), 1)])
        model.compile(make(), loss="mse", jit_compile=jit_compile)
        model.fit(draw((40, 6), 1), draw((40, 2), 2), shuffle=False, verbose=0)
        results.append(model.get_weights())
    for plain, compiled in zip(*results, strict=True):
        np.testing.assert_allclose(plain, compiled, rtol=1e-5, atol=1e-6)


def test_keras_itself_differs_at_the_first_step():
    """The reason for the class: epsilon weighs 31 times as much in Keras's Adam."""
    moved = []
    for make in (keras.optimizers.Adam, TorchAdam):
        variable = keras.Variable(np.zeros(1, np.float32))
        optimizer = make(0.01, epsilon=1e-3)
        optimizer.build([variable])
        optimizer.apply([keras.ops.convert_to_tensor([1e-3])], [variable])
        moved.append(float(keras.ops.convert_to_numpy(variable.value)[0]))
    assert moved[1] == pytest.approx(-0.005, rel=1e-4)  # |g| equals epsilon: a half
    assert moved[0] == pytest.approx(-0.01 / (1 + 1 / np.sqrt(1e-3)), rel=1e-3)


@pytest.mark.parametrize(
    "optimizer",
    [
        TorchAdam(0.1, 0.8, 0.9, 1e-4, True, 0.2, 0.3),
        TorchRMSprop(0.1, 0.9, 1e-4, 0.2),
    ],
)
def test_config_makes_the_same_optimizer(optimizer):
    config = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(config)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    "make",
    [
        lambda: TorchAdam(beta_1=1.0),
        lambda: TorchAdam(beta_2=-0.1),
        lambda: TorchAdam(epsilon=-1),
        lambda: TorchAdam(l2=float("nan")),
        lambda: TorchRMSprop(rho=1.0),
        lambda: TorchRMSprop(l2=-1),
    ],
)
def test_values_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="Received: "):
        make()


@pytest.mark.parametrize("optimizer", [TorchAdam, TorchRMSprop, Muon, Ranger21])
def test_a_layer_of_rows_learns(optimizer):
    """On tensorflow an Embedding's gradient has only the rows that were read."""
    keras.utils.set_random_seed(1)
    more = {"total_steps": 8} if optimizer is Ranger21 else {}
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(5, 4),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    before = model.get_weights()[0]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer(0.05, **more), loss)
    x = np.random.default_rng(0).integers(0, 5, (16, 3))
    model.fit(x, x[:, 0] % 2, epochs=2, batch_size=4, verbose=0)
    after = model.get_weights()[0]
    assert np.isfinite(after).all() and (after != before).any(axis=1).all()
