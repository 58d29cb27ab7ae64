"""Layers that draw random numbers otherwise than Dropout: told in one line."""

import keras
import pytest

from fmkeras.errors import UserError
from fmkeras.recipes import Recipe
from fmkeras.training.fit import fit

pytestmark = pytest.mark.torch_engine


def test_a_network_that_cannot_be_traced_is_told_of(garments, tmp_path):
    pixels = keras.Input((28, 28, 1))
    noisy = keras.layers.GaussianNoise(0.1)(keras.layers.Rescaling(1 / 255)(pixels))
    logits = keras.layers.Dense(10)(keras.layers.Flatten()(noisy))
    path = tmp_path / "noisy.keras"
    keras.Model(pixels, logits).save(path)
    recipe = Recipe(epochs=1, compile="no")
    with pytest.raises(UserError, match="does not become one graph.*Received: .+"):
        fit(str(path), recipe, garments, folder=tmp_path / "run")
