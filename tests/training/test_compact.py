"""Large models in a folder of saved ones: rounded, or as a card alone."""

import hashlib
import json

import keras
import pytest

from fmkeras.artifacts.keras_file import load_artifact, read_card
from fmkeras.engines import predict
from fmkeras.errors import UserError
from fmkeras.recipes import Recipe
from fmkeras.training import compact, replace
from fmkeras.training.run import train

RECIPE = Recipe(epochs=1, batch_size=50, precision="float32", compile="no")


@pytest.fixture
def small_limits(monkeypatch):
    """Files of 40 kB and more count as large, of 500 kB and more as very large."""
    monkeypatch.setattr(compact, "EXACT_UP_TO", 40_000)
    monkeypatch.setattr(replace, "LARGEST_STORED", 500_000)


def run(name, garments, folder, recipe=RECIPE, **further):
    return train(
        name,
        recipe,
        garments,
        out=folder / "saved",
        runs=folder / "runs",
        compact=True,
        **further,
    )


def test_a_large_model_is_rounded_and_its_card_says_what_it_cost(
    garments, tmp_path, small_limits
):
    result = run("lenet_relu", garments, tmp_path)
    assert result.artifact == tmp_path / "saved/lenet_relu-garments.keras"
    content = result.artifact.read_bytes()
    exact = result.folder / "lenet_relu-garments.keras"
    card, before = read_card(result.artifact), read_card(exact)
    assert len(content) < 0.6 * exact.stat().st_size == 0.6 * before["bytes"]
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    facts = card["rounding"]
    assert facts["significant_bits"] in (8, 9, 10, 11, 12, 16)
    assert facts["images"] == result.record["dataset"]["validation"]
    assert facts["accuracy"] > facts["accuracy_before"] - 0.0002
    assert facts["accuracy_before"] == card["validation"]["accuracy"]
    assert not facts["trained_on"]
    assert facts["test_accuracy_before"] == before["test"]["accuracy"]
    # The card's figure is that of the rounded file, to the last image.
    outputs = predict(load_artifact(result.artifact), garments.x_test)
    right = (outputs.argmax(axis=1) == garments.y_test).mean()
    assert card["test"]["accuracy"] == right
    weights = keras.models.load_model(result.artifact).get_weights()
    mask = (1 << (24 - facts["significant_bits"])) - 1
    kernels = [w for w in weights if w.ndim > 1]
    assert kernels and not any((w.view("uint32") & mask).any() for w in kernels)
    assert "rounding" not in before and "rounding" not in result.record


@pytest.mark.parametrize("data_split", ["fashionnet", "random", "full"])
def test_a_rounded_model_is_measured_on_the_images_of_its_run(
    garments, tmp_path, small_limits, data_split
):
    keep = "last" if data_split == "full" else "best"
    recipe = RECIPE.replace(data_split=data_split, keep=keep)
    result = run("lenet_relu", garments, tmp_path, recipe)
    card = read_card(result.artifact)
    assert card["test"]["count"] == result.record["test"]["count"]
    assert card["test"]["count"] == (80 if data_split == "fashionnet" else 200)
    facts = card["rounding"]
    assert facts["trained_on"] == (data_split == "full")
    if data_split != "full":
        assert facts["images"] == result.record["dataset"]["validation"]
        assert facts["accuracy_before"] == card["validation"]["accuracy"]


def test_of_a_very_large_model_the_card_alone_is_stored(
    garments, tmp_path, small_limits
):
    result = run("mlp", garments, tmp_path)
    assert result.artifact == result.folder / "mlp-garments.keras"
    assert [p.name for p in (tmp_path / "saved").iterdir()] == ["mlp-garments.json"]
    card = json.loads((tmp_path / "saved/mlp-garments.json").read_text())
    assert card["file"] is None and card["sha256"] is None
    assert card["remake"] == "make zoo MODELS=mlp"
    assert card["test"] == result.record["test"]
    with pytest.raises(UserError, match="its card alone is stored.*make zoo MODELS"):
        load_artifact("mlp-garments", tmp_path / "saved")
    # A file that the user put there is not taken away.
    again = train(
        "mlp", RECIPE, garments, out=tmp_path / "saved", runs=tmp_path / "runs"
    )
    assert again.artifact == tmp_path / "saved/mlp-garments.keras"
    assert "stays" in run("mlp", garments, tmp_path).note
    assert again.artifact.exists()


def test_a_small_model_is_stored_as_it_is(garments, tmp_path):
    result = run("logistic_regression", garments, tmp_path)
    exact = result.folder / result.artifact.name
    assert result.artifact.read_bytes() == exact.read_bytes()
