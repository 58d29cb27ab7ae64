"""Ranger21 against its two PyTorch implementations, and as a Keras optimizer.

The error of a step is the largest difference in a weight over the largest entry of
that weight in the oracle; the error of a run is the largest over steps and weights.
"""

import keras
import numpy as np
import pytest
import torch
from keras import ops
from support.ranger21_replay import (
    ODD_SHAPES,
    RATE,
    REFERENCE_SHAPES,
    STRONG,
    as_arrays,
    compare,
    compiled,
    fixed_oracle,
    layouts,
    net_weights_and_gradients,
    odd_weights_and_gradients,
    reference_oracle,
    to_keras,
)

from fmkeras.optimizers import Ranger21

pytestmark = pytest.mark.every_backend


MAKERS = {"reference": reference_oracle, "fixed": fixed_oracle}


def net_case():
    weights, gradients_at = net_weights_and_gradients()
    return weights, gradients_at, [(f"w{i}", to_keras) for i in range(len(weights))]


def odd_case(shapes):
    weights, gradients_at = odd_weights_and_gradients(shapes)
    return weights, gradients_at, list(layouts(shapes))


@pytest.mark.parametrize("mode", MAKERS)
@pytest.mark.parametrize("arguments", [{}, STRONG], ids=["default", "strong"])
def test_a_small_net_follows_the_oracle(mode, arguments):
    assert compare(MAKERS[mode], *net_case(), torch.float32, arguments) < 1e-5


@pytest.mark.parametrize("mode", MAKERS)
def test_odd_shapes_follow_the_oracle(mode):
    # With three axes the two oracles are at one, and against the method's own rule.
    shapes = ODD_SHAPES | (REFERENCE_SHAPES if mode == "reference" else {})
    assert compare(MAKERS[mode], *odd_case(shapes), torch.float32, STRONG) < 1e-5


def test_three_axes_are_taken_unit_by_unit():
    """As the same kernel with its first two axes in one, to which the oracles hold."""
    generator = np.random.default_rng(6)
    start = generator.normal(size=(3, 4, 5)).astype("float32")
    gradients = generator.normal(size=(20, 3, 4, 5)).astype("float32")
    ends = []
    for shape in ((3, 4, 5), (12, 5)):
        kernel = keras.Variable(start.reshape(shape), name="kernel")
        step = compiled(Ranger21(0.01, 20, **STRONG), [kernel])
        for gradient in gradients:
            weights = step([gradient.reshape(shape)])
        ends.append(as_arrays(weights)[0].reshape(12, 5))
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", MAKERS)
def test_the_oracle_in_float64_is_followed_more_closely(mode):
    # What is left of the float32 comparison is the oracle's rounding of 1 - decay.
    exact = keras.backend.result_type("float64") == "float64"
    limit = 1e-10 if exact else 4e-6
    kind = "float64" if exact else "float32"
    assert compare(MAKERS[mode], *net_case(), torch.float64, {}, kind) < limit
    if exact:
        case = odd_case(ODD_SHAPES)
        assert compare(MAKERS[mode], *case, torch.float64, STRONG, kind) < limit


@pytest.mark.parametrize("total_steps", [1, 4, 10, 100, 1000, 4444, 4445, 5000, 46900])
def test_learning_rate_of_every_step(total_steps):
    oracle = reference_oracle([torch.nn.Parameter(torch.ones(3))], total_steps)
    expected = []
    for step in range(1, total_steps + 11):  # ten too many
        rate = RATE
        if oracle.use_warmup and not oracle.warmup_complete:
            rate = oracle.warmup_dampening(rate, step)
        expected.append(oracle.get_warm_down(rate, step))
    other = fixed_oracle([torch.nn.Parameter(torch.ones(3))], total_steps)
    for step in range(1, total_steps + 11):
        rate = other.warm_up_dampening(RATE, step)
        assert other.warm_down(rate, step) == expected[step - 1]

    ours = Ranger21(RATE, total_steps)
    rates = ours.scheduled_learning_rate(np.arange(1, total_steps + 11))
    np.testing.assert_allclose(ops.convert_to_numpy(rates), expected, rtol=5e-7)


def test_learning_rate_without_a_plan_and_with_given_lengths():
    steps = np.arange(1, 13)
    free = Ranger21(0.5, warm_up_steps=0, warm_down_start=None)
    rates = ops.convert_to_numpy(free.scheduled_learning_rate(steps))
    assert np.all(rates == 0.5)
    given = Ranger21(1.0, 10, warm_up_steps=4, warm_down_start=None)
    rates = ops.convert_to_numpy(given.scheduled_learning_rate(steps))
    np.testing.assert_allclose(rates, np.minimum(steps / 4, 1))


def small_model(dtype="float32"):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.layers.Input((6, 6, 1), name="input"),
            keras.layers.Conv2D(4, 3, activation="relu", dtype=dtype, name="conv"),
            keras.layers.DepthwiseConv2D(2, dtype=dtype, name="depthwise"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(3, dtype=dtype, name="dense"),
            keras.layers.Activation("linear", dtype="float32", name="logits"),
        ],
        name="small",
    )


def small_gradients(model, steps):
    generator = np.random.default_rng(5)
    shapes = [v.shape for v in model.trainable_variables]
    return [
        [generator.normal(size=s).astype("float32") for s in shapes]
        for _ in range(steps)
    ]


def stepped(model, gradients, trace=True):
    step = compiled(model.optimizer, model.trainable_variables, trace)
    for gradients_now in gradients:
        step(gradients_now)
    step.store()
    return as_arrays(model.trainable_variables)


def test_a_saved_and_resumed_run_goes_on_exactly(tmp_path):
    model = small_model()
    model.compile(Ranger21(0.01, 200, lookahead_steps=7, amsgrad=True), "mse")
    gradients = small_gradients(model, 200)
    step = compiled(model.optimizer, model.trainable_variables)
    for gradients_now in gradients[:101]:  # an odd step, between two merges
        step(gradients_now)
    step.store()
    model.save(tmp_path / "half.keras")
    for gradients_now in gradients[101:]:
        straight = step(gradients_now)
    resumed = keras.models.load_model(tmp_path / "half.keras")
    assert resumed.optimizer.get_config() == model.optimizer.get_config()
    for expected, actual in zip(
        as_arrays(straight), stepped(resumed, gradients[101:]), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


def test_the_slow_weights_are_those_of_the_first_step():
    """Weights loaded after the optimizer was built are what look-ahead returns to."""

    def run(build_first):
        model = small_model()
        optimizer = Ranger21(0.01, 9, lookahead_steps=5)
        if build_first:
            optimizer.build(model.trainable_variables)
        for v in model.trainable_variables:
            v.assign(v + 1.0)
        model.compile(optimizer, "mse")
        return stepped(model, small_gradients(model, 9))

    for expected, actual in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_fit_learns_with_a_callback_that_changes_the_rate(policy):
    generator = np.random.default_rng(2)
    labels = np.arange(96) % 3
    images = generator.normal(size=(96, 6, 6, 1)).astype("float32")
    images[np.arange(96), labels] += 3  # a bright row
    model = small_model(policy)
    optimizer = Ranger21(0.02, 10 * 3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)
    halve = keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: rate / 2 if epoch == 5 else rate
    )
    history = model.fit(
        images, labels, batch_size=32, epochs=10, verbose=0, callbacks=[halve]
    )
    assert history.history["loss"][-1] < 0.6 * history.history["loss"][0]
    assert float(optimizer.learning_rate) == np.float32(0.01)
    assert int(optimizer.iterations) == 30
    assert {v.dtype for v in model.trainable_variables} == {"float32"}


def test_bfloat16_weights_are_updated_in_float32():
    variable = keras.Variable(np.ones((3, 4)), dtype="bfloat16", name="kernel")
    optimizer = Ranger21(0.01, 1000, warm_up_steps=0)
    step = compiled(optimizer, [variable])
    for gradients in np.random.default_rng(1).normal(size=(300, 1, 3, 4)):
        weights = step(list(gradients.astype("float32")))
    (weight,) = as_arrays([ops.cast(weights[0], "float32")])
    assert np.all(np.isfinite(weight)) and np.any(weight != 1)


def test_loss_scaling_changes_nothing_and_skips_infinite_gradients():
    plain, scaled = small_model(), small_model()
    gradients = small_gradients(plain, 7)
    plain.compile(Ranger21(0.01, 7), "mse")
    inner = Ranger21(0.01, 7)
    scaled.compile(keras.optimizers.LossScaleOptimizer(inner, 2.0**10), "mse")
    scales = [2.0**10] * 3 + [np.inf] + [2.0**9] * 4
    scaled_gradients = [
        [(g * np.float32(scale)) for g in now]
        for now, scale in zip(
            [*gradients[:3], gradients[0], *gradients[3:]], scales, strict=True
        )
    ]
    for expected, actual in zip(
        stepped(plain, gradients),
        stepped(scaled, scaled_gradients, trace=False),
        strict=True,
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)
    assert int(inner.iterations) == 7


def test_accumulated_gradients_count_as_one_step():
    def run(repeats):
        model = small_model()
        optimizer = Ranger21(0.01, 7, gradient_accumulation_steps=repeats)
        model.compile(optimizer, "mse")
        gradients = small_gradients(model, 7)
        repeated = [now for now in gradients for _ in range(repeats or 1)]
        return stepped(model, repeated, trace=False)

    for expected, actual in zip(run(None), run(2), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


def test_weights_can_be_spared_the_decay():
    variables = [keras.Variable(np.ones((4, 4)), name=n) for n in ("kernel", "table")]
    plain = {"norm_loss": None, "lookahead_steps": None, "warm_up_steps": 0}
    optimizer = Ranger21(0.01, 10, weight_decay=1.0, **plain)
    optimizer.exclude_from_weight_decay(var_names=["table"])
    step = compiled(optimizer, variables)
    sigma = (15 / 16) ** 0.5  # of 16 numbers with a sample deviation of 1
    gradient = np.random.default_rng(4).normal(size=(4, 4)).astype("float32")
    kernel, table = as_arrays(step([gradient, gradient]))
    np.testing.assert_allclose(table - kernel, 0.01 / sigma, rtol=1e-4)


def test_no_gradient_moves_nothing_but_the_norm():
    variable = keras.Variable(np.full((3, 3), 3**-0.5), name="kernel")  # norms of 1
    step = compiled(Ranger21(0.01, 10, weight_decay=1.0), [variable])
    (weight,) = as_arrays(step([np.zeros((3, 3), "float32")]))
    np.testing.assert_allclose(weight, 3**-0.5, rtol=1e-6)


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({}, "total_steps"),
        ({"total_steps": 0}, "total_steps"),
        ({"total_steps": 9, "mode": "right"}, "mode"),
        ({"total_steps": 9, "beta_1": 1.0}, "beta_1"),
        ({"total_steps": 9, "beta_2": 0.0}, "beta_2"),
        ({"total_steps": 9, "warm_down_start": 72}, "warm_down_start"),
        ({"total_steps": 9, "agc_epsilon": 0}, "agc_epsilon"),
        ({"total_steps": 9, "mode": "reference", "amsgrad": True}, "amsgrad"),
        (
            {"total_steps": 9, "mode": "reference", "negative_momentum": 0.9},
            "negative_momentum",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=rf"`{named}` must be .*Received: {named}="):
        Ranger21(**arguments)


def test_the_config_brings_the_optimizer_back():
    optimizer = Ranger21(0.02, 50, mode="reference", weight_decay=0.3, agc_factor=None)
    config = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(config)
    assert type(again) is Ranger21
    assert again.get_config() == optimizer.get_config()
