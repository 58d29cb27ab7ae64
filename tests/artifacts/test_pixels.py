"""Models that were trained on other ranges of pixels than raw ones."""

import keras
import numpy as np
import pytest

from fmkeras.__main__ import main
from fmkeras.artifacts.pixels import (
    RANGES,
    accuracy_by_range,
    range_warning,
    take_raw_pixels,
)
from fmkeras.engines import predict
from fmkeras.errors import UserError


def template_model(images, labels, name, shape=(28, 28, 1)):
    """A nearest-mean classifier that expects pixels of the range `name`."""
    scale, offset = RANGES[name]
    pixels = images.reshape(len(images), -1) * scale + offset
    means = np.stack([pixels[labels == label].mean(axis=0) for label in range(10)])
    inputs = keras.Input(shape)
    flat = keras.layers.Flatten()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(10)(flat))
    model.set_weights([means.T, -0.5 * (means**2).sum(axis=1)])
    return model


@pytest.mark.every_backend
@pytest.mark.parametrize("shape", [(28, 28, 1), (28, 28)])
@pytest.mark.parametrize("name", RANGES)
def test_raw_pixels_are_brought_to_the_range_of_training(name, shape, garments):
    images, labels = garments.x_train, garments.y_train
    model = template_model(images, labels, name, shape)
    scale, offset = RANGES[name]
    scaled = (images[:50] * scale + offset).astype(np.float32)

    found = predict(take_raw_pixels(model, name), images[:50])

    expected = model.predict(scaled.reshape(-1, *shape), verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("name", ["0..1", "-1..1", "standardised"])
def test_a_model_on_the_wrong_range_is_pointed_out(name, garments, tmp_path, capsys):
    model = template_model(garments.x_train, garments.y_train, name)
    model.save(tmp_path / "other.keras")
    flags = ["--model", tmp_path / "other.keras", "--data", "garments"]
    flags += ["--train-size", "400", "--test-size", "100"]

    assert main(["evaluate", *map(str, flags)]) == 0
    output, error = capsys.readouterr()
    plain = float(output.split("Accuracy ")[1][:6])
    assert f"trained on pixels {name}, not 0..255" in error
    assert f"--pixels {name} (make: PIXELS={name})" in error

    assert main(["evaluate", *map(str, flags), "--pixels", name]) == 0
    output, error = capsys.readouterr()
    assert "pixels" not in error
    assert float(output.split("Accuracy ")[1][:6]) > plain + 0.1


def test_a_model_of_raw_pixels_gets_no_warning(garments):
    images, labels = garments.x_train, garments.y_train
    model = template_model(images, labels, "0..255")
    found = accuracy_by_range(model, images[:300], labels[:300])
    assert range_warning("own", found) is None


def test_whole_numbers_are_raw_pixels():
    inputs = keras.Input((28, 28, 1), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(10)(x))
    with pytest.raises(UserError, match="takes whole numbers"):
        take_raw_pixels(model, "0..1")
    with pytest.raises(UserError, match="Unknown range"):
        take_raw_pixels(model, "0..2")
