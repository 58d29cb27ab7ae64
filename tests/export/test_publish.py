"""What a hub and a release are given: whole, loadable, with figures and licences."""

import hashlib
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from fmkeras.errors import UserError
from fmkeras.export.publish import hub_card, publish_model, release_notes

SAVED = Path(__file__).parents[2] / "saved_models"
NAME = "linear"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return publish_model(NAME, tmp_path_factory.mktemp("to"), folder=SAVED)


def test_the_hub_folder_opens_as_keras_opens_a_repository(published):
    hub, _ = published
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1)).astype("float32")
    model = keras.models.load_model(hub)
    expected = keras.models.load_model(SAVED / f"{NAME}.keras")
    np.testing.assert_array_equal(
        model.predict(images, verbose=0), expected.predict(images, verbose=0)
    )


def test_the_card_has_metadata_figures_usage_and_licences(published):
    text = (published[0] / "README.md").read_text()
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    keys = re.findall(r"^([a-z_-]+):", head, re.M)
    assert {
        "library_name",
        "license",
        "pipeline_tag",
        "datasets",
        "model-index",
    } <= set(keys)
    assert "zalando-datasets/fashion_mnist" in head
    for word in ("torch", "tensorflow", "jax", "Ankle boot", "MIT", "95 %", "hf://"):
        assert word in body
    assert len((published[0] / "labels.txt").read_text().splitlines()) == 10


def test_the_release_is_checked_by_its_sums(published):
    _, release = published
    lines = (release / "SHA256SUMS").read_text().splitlines()
    assert len(lines) == 3
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == digest
    assert f"{NAME}.keras" in (release / "NOTES.md").read_text()


def test_other_data_names_no_licence_it_does_not_know():
    test = {"accuracy": 0.9, "accuracy_interval_95": [0.8, 1.0], "count": 10}
    test |= {"loss": 0.1, "per_class": {}}
    card = {"classes": ["a", "b"], "parameters": 3, "test": test, "input": "images"}
    card |= {"output": "probabilities", "dataset": {"name": "shoes", "train": 40}}
    card["recipe"] = {"name": "default"}
    text = hub_card("cnn-shoes", card)
    assert "unknown here" in text and "zalando" not in text
    assert "license: mit" in text and "weights are under the MIT licence" in text
    assert 'type: "shoes"' in text


def test_weights_from_elsewhere_have_no_training_here():
    card = {
        "model": "mlp",
        "imported": {"file": "theirs.pt"},
        "parameters": 242_762,
        "test": {"accuracy": 0.8842, "count": 10_000},
        "dataset": {"name": "fashion-mnist"},
    }
    text = release_notes("mlp", card)
    assert "trained elsewhere, from the file theirs.pt" in text
    assert "None" not in text and " 0 images" not in text
    card |= {"classes": ["a", "b"], "input": "images", "output": "probabilities"}
    card["test"] |= {"accuracy_interval_95": [0.8, 1.0], "loss": 0.1, "per_class": {}}
    for said in (text, hub_card("mlp", card)):
        assert "license:" not in said and "weights are under" not in said
        assert "weights were trained elsewhere: their licence is" in said
    # So are those of a training here that began with such weights.
    card.pop("imported")
    card |= {"recipe": {"name": "default"}, "start": {"elsewhere": True}}
    said = hub_card("mlp", card)
    assert "license:" not in said and "weights are under" not in said
    assert "weights began with some that were trained elsewhere: their" in said
    card["start"] = {"elsewhere": False}
    assert "license: mit" in hub_card("mlp", card)


def test_what_is_there_already_is_left_alone(tmp_path):
    mine = tmp_path / NAME / "huggingface"
    mine.mkdir(parents=True)
    (mine / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something else.*TO="):
        publish_model(NAME, tmp_path, folder=SAVED)
    assert [path.name for path in mine.iterdir()] == ["mine.txt"]
    assert not (tmp_path / NAME / "github-release").exists()


def test_a_model_without_a_card_is_refused(tmp_path):
    shutil.copy(SAVED / f"{NAME}.keras", tmp_path / "bare.keras")
    with pytest.raises(UserError, match="no card"):
        publish_model(tmp_path / "bare.keras", tmp_path / "to")
    assert not (tmp_path / "to").exists()
