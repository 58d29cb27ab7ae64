import keras
import numpy as np
import pytest

from fmkeras.optimizers import Ranger21
from fmkeras.optimizers.learning_rates import learning_rate_function
from fmkeras.optimizers.warm_up import WarmUp

schedules = keras.optimizers.schedules
COSINE = schedules.CosineDecay(0.003, 100)


@pytest.mark.parametrize(
    "rate",
    [
        0.01,
        COSINE,
        schedules.CosineDecay(0.003, 100, alpha=0.1),
        schedules.CosineDecay(0.003, 80, warmup_target=0.01, warmup_steps=20),
        schedules.ExponentialDecay(0.003, 30, 0.1, staircase=True),
        schedules.ExponentialDecay(0.003, 30, 0.1),
        schedules.PolynomialDecay(0.003, 50),
        WarmUp(COSINE, 17),
        WarmUp(schedules.ExponentialDecay(0.003, 100, 1.0), 0),
    ],
    ids=lambda rate: getattr(rate, "name", None) or type(rate).__name__,
)
def test_rates_are_those_of_keras(rate):
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build([keras.Variable([1.0])])
    found = learning_rate_function(optimizer)
    for step in (0, 1, 16, 17, 29, 30, 60, 99, 100, 1000):
        optimizer.iterations.assign(step)
        expected = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        assert found(step) == pytest.approx(expected, rel=1e-5, abs=1e-9)
        assert isinstance(found(step), float)


def test_rates_are_exact_in_float64():
    rate = learning_rate_function(keras.optimizers.SGD(WarmUp(COSINE, 10)))
    steps = np.arange(100)
    expected = 0.003 * 0.5 * (1 + np.cos(np.pi * steps / 100))
    expected *= np.minimum((steps + 1) / 10, 1)
    assert [rate(int(step)) for step in steps] == pytest.approx(expected, rel=1e-14)


def test_an_optimizer_with_a_plan_of_its_own_is_asked_for_it():
    optimizer = Ranger21(0.01, total_steps=100)
    rate = learning_rate_function(optimizer)
    expected = float(optimizer.scheduled_learning_rate(3))
    assert rate(2) == pytest.approx(expected)
