"""Rounded weights: to the bit, and files that Keras opens as any other."""

import json
import zipfile

import keras
import numpy as np
import pytest

from fmkeras.artifacts.keras_file import load_artifact, save_artifact
from fmkeras.artifacts.rounding import (
    CANDIDATES,
    LOSS,
    compress_file,
    fewest_bits,
    round_weights,
)
from fmkeras.models import build_model


def test_rounding_is_to_the_nearest_and_ties_to_even():
    # Three significant bits: of 1 to 2 every quarter.
    given = np.array([[1.1, 1.125, 1.375, 1.9, -1.126, 0.0, np.inf]], np.float32)
    (found,) = round_weights([given], 3)
    np.testing.assert_array_equal(found[0], [1.0, 1.0, 1.5, 2.0, -1.25, 0.0, np.inf])


@pytest.mark.parametrize("bits", [1, 8, 10, 23, 24])
def test_rounding_errs_by_half_a_bit_at_most_and_is_kept_when_repeated(bits):
    weights = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    (found,) = round_weights([weights], bits)
    assert found.dtype == np.float32
    assert np.abs(found / weights - 1).max() <= 2.0**-bits
    (again,) = round_weights([found], bits)
    np.testing.assert_array_equal(again, found)
    # As numpy does it by way of whole numbers.
    fraction, exponent = np.frexp(weights.astype(np.float64))
    by_numpy = np.ldexp(np.rint(fraction * 2.0**bits), exponent - bits)
    np.testing.assert_array_equal(found, by_numpy)


def test_biases_and_statistics_stay_as_they_are():
    bias, seed = np.array([0.1, 0.2], np.float32), np.arange(4).reshape(2, 2)
    found = round_weights([bias, seed], 1)
    assert found[0] is bias and found[1] is seed
    with pytest.raises(ValueError, match="1 to 24 significant bits"):
        round_weights([bias], 0)


def test_an_image_of_five_thousand_is_too_many():
    exact = np.random.default_rng(0).standard_normal((3, 3), np.float32)
    answers = iter([0.9388, 0.9386, 0.939])
    assert fewest_bits([exact], lambda weights: next(answers)) == (9, 0.9388, 0.939)


@pytest.mark.parametrize(("needed", "bits"), [(1, 8), (10, 10), (17, 24)])
def test_the_fewest_bits_that_cost_nothing_are_chosen(needed, bits):
    exact = np.array([[1 + 2.0 ** -(needed - 1)]], np.float32)

    def accuracy(weights):
        return 0.9 if weights[0] == exact else 0.9 - 1.01 * LOSS

    assert fewest_bits([exact], accuracy) == (bits, 0.9, 0.9)
    assert bits in (*CANDIDATES, 24)


def test_a_compressed_file_opens_anywhere_with_the_same_weights(tmp_path):
    model = build_model("mynet", seed=2)
    model.set_weights(round_weights(model.get_weights(), 8))
    plain = save_artifact(model, "plain", {}, tmp_path)
    path = save_artifact(model, "small", {}, tmp_path, compress=True)
    assert path.stat().st_size < 0.45 * plain.stat().st_size
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["bytes"] == path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        assert {m.compress_type for m in archive.infolist()} == {zipfile.ZIP_DEFLATED}
    expected = model.get_weights()
    for found in (load_artifact(path), keras.models.load_model(path)):
        for one, other in zip(found.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_compressing_twice_changes_no_byte(tmp_path):
    path = save_artifact(build_model("lenet"), "lenet", {}, tmp_path)
    compress_file(path)
    once = path.read_bytes()
    compress_file(path)
    assert path.read_bytes() == once
