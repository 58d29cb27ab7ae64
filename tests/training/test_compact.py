"""Large models in a folder of saved ones: rounded, or as a card alone."""

import hashlib
import json
from pathlib import Path

import keras
import pytest

from fmkeras.artifacts.keras_file import find_artifact, load_artifact, read_card
from fmkeras.engines import predict
from fmkeras.errors import UserError
from fmkeras.files import make_folder, write_json
from fmkeras.recipes import Recipe, find_recipe
from fmkeras.training import compact, replace
from fmkeras.training.publish import publish_card
from fmkeras.training.remake import remake_command
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
    assert card["test"] == result.record["test"]
    with pytest.raises(UserError, match="its card alone is stored.*make train MODEL"):
        load_artifact("mlp-garments", tmp_path / "saved")
    # A file that the user put there is not taken away.
    again = train(
        "mlp", RECIPE, garments, out=tmp_path / "saved", runs=tmp_path / "runs"
    )
    assert again.artifact == tmp_path / "saved/mlp-garments.keras"
    assert "stays" in run("mlp", garments, tmp_path).note
    assert again.artifact.exists()


def test_the_file_of_a_card_alone_is_opened_where_its_run_has_kept_it(
    garments, tmp_path, small_limits, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    first = run("mlp", garments, Path())
    words = "The model is '{}'; 'saved' has its card alone"
    assert words.format(first.artifact) in first.note
    found = find_artifact("mlp-garments", "saved")
    assert found == first.artifact
    told = capsys.readouterr().err
    assert f"a card alone, '{found}' is opened." in told and told.count("\n") == 1
    assert load_artifact("mlp-garments", "saved").name == "mlp"
    # Of the zoo's folder too; neither of another seed nor of one that did not end.
    zoo = Path("runs/zoo/mlp") / first.folder.name
    zoo.parent.mkdir(parents=True)
    first.folder.rename(zoo)
    assert find_artifact("mlp-garments", "saved") == zoo / found.name
    run("mlp", garments, Path(), seed=1, save="never")
    assert find_artifact("mlp-garments", "saved") == zoo / found.name
    (zoo / "record.json").unlink()
    with pytest.raises(UserError, match="expected it in a folder in 'runs', where"):
        find_artifact("mlp-garments", "saved")


def test_a_card_alone_is_replaced_as_save_says(garments, tmp_path, small_limits):
    first = run("mlp", garments, tmp_path)
    path = tmp_path / "saved/mlp-garments.json"

    def told(accuracy):
        card = json.loads(path.read_text())
        content = card | {"validation": {"accuracy": accuracy}, "seconds": -1}
        path.write_text(json.dumps(content))

    def is_replaced(save):
        _, note = publish_card(first.artifact, path.parent, save)
        replaced = json.loads(path.read_text())["seconds"] != -1
        assert str(first.artifact) in note and ("stays" in note) != replaced
        return replaced

    told(1.0)
    assert "as asked" in publish_card(first.artifact, path.parent, "never")[1]
    assert not is_replaced("better")
    assert is_replaced("always")
    told(0.0)
    assert is_replaced("better")


def test_the_command_that_remakes_a_model_has_the_settings_of_its_run(tmp_path):
    kept = tmp_path / "run/vgg11.keras"
    default = find_recipe("default", "vgg11").to_dict()
    card = {"model": "vgg11", "options": {}, "seed": 0, "recipe": default}
    card |= {"dataset": {"name": "fashion-mnist"}}

    def command(changes, **arguments):
        config = {**card, "backend": "torch", "arguments": arguments}
        write_json(make_folder(kept.parent) / "config.json", config)
        return remake_command(card | changes, kept, Path("saved_models/vgg11.json"))

    assert command({}) == "make zoo MODELS=vgg11"
    assert command({"seed": 3}) == "make zoo MODELS=vgg11 SEED=3"
    assert command({}, data="garments", train_size=300) == (
        "make zoo MODELS=vgg11 DATA=garments 'ARGS=--train-size 300'"
    )
    words = "make train MODEL=vgg11 RECIPE=saved_models/vgg11.json"
    other = {"recipe": default | {"epochs": 3}}
    assert command(other) == f"{words} ARGS=--compact"
    assert command({"options": {"dropout": 0.1}}) == f"{words} ARGS=--compact"
    assert command({}, limit=500) == f"{words} LIMIT=500 ARGS=--compact"
    # The card serves as the recipe file that the command names.
    write_json(tmp_path / "vgg11.json", card | other)
    assert find_recipe(str(tmp_path / "vgg11.json"), "vgg11").epochs == 3


def test_a_small_model_is_stored_as_it_is(garments, tmp_path):
    result = run("logistic_regression", garments, tmp_path)
    exact = result.folder / result.artifact.name
    assert result.artifact.read_bytes() == exact.read_bytes()


def test_the_command_that_remakes_has_how_pictures_were_read(tmp_path):
    kept = tmp_path / "run/mlp.keras"
    recipe = find_recipe("default", "mlp").to_dict()
    card = {"model": "mlp", "options": {}, "seed": 0, "recipe": recipe}
    card |= {"dataset": {"name": "boots"}}
    told = {"data": "boots", "resize": "predict", "skip_bad": True}
    config = {**card, "backend": "torch", "arguments": told}
    write_json(make_folder(kept.parent) / "config.json", config)
    found = remake_command(card, kept, Path("saved_models/mlp.json"))
    assert found == "make zoo MODELS=mlp DATA=boots 'ARGS=--resize predict --skip-bad'"
