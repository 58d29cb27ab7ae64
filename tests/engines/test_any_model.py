"""Whatever Keras predicts with, the engine predicts with, and the same."""

import keras
import numpy as np
import pytest

from fmkeras.engines import predict
from fmkeras.engines.structure import pack_images
from tests.support.random_models import random_model

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28)).astype(np.uint8)
SEEDS = [
    *range(12),
    *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(12, 48)),
]


@pytest.mark.every_backend
@pytest.mark.parametrize("seed", SEEDS)
def test_predictions_of_a_random_model_are_keras_own(seed):
    model = random_model(seed)

    expected = scores_of(model)

    outputs = predict(model, IMAGES)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(outputs, expected, rtol=2e-4, atol=2e-5)


def scores_of(model):
    images = IMAGES[..., None].astype("float32")
    outputs = keras.tree.flatten(model.predict(pack_images(model, images), verbose=0))
    return next(x for x in outputs if x.shape == (5, 10))
