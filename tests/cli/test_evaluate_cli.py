"""evaluate and compare as a user meets them, over models made on the fly."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from fmkeras import engines
from fmkeras.__main__ import main
from fmkeras.artifacts.keras_file import save_artifact
from fmkeras.artifacts.lookup import card_or_empty, validation_subset
from fmkeras.cli.session import expand_patterns, split_words
from fmkeras.datasets import load_dataset
from fmkeras.errors import UserError

SMALL = ["--data", "garments", "--train-size", "300", "--test-size", "100"]


def save_linear(name, seed, dataset, folder="saved_models", scale=0.1):
    """Save a model that was never trained, with a card as training writes it."""
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="scale")(pixels)
    x = keras.layers.Flatten(name="flatten")(x)
    model = keras.Model(pixels, keras.layers.Dense(10, name="logits")(x))
    kernel = np.random.default_rng(seed).normal(size=(784, 10)) * scale
    model.set_weights([kernel, np.zeros(10)])
    told = {"name": dataset.name, "checksum": dataset.checksum, "validation": 30}
    card = {
        "model": "linear",
        "recipe": {"name": "default", "epochs": 3},
        "seed": seed,
        "backend": "torch",
        "precision": "float32",
        "dataset": told,
        "test": {"accuracy": 0.1},
    }
    save_artifact(model, name, card, folder)


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("garments", train_size=300, test_size=100)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, dataset):
    """An empty folder with two models of garments, and one of other images."""
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        save_linear(f"seed{seed}-garments", seed, dataset)
    other = load_dataset("garments", seed=9, train_size=20, test_size=10)
    other = type(other)(**vars(other) | {"name": "fashion-mnist"})
    save_linear("other", 2, other)
    return tmp_path


def run(arguments):
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as error:
        return error.code


def assert_refused(arguments, message, capsys):
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and error.count("\n") == 1, error


def test_one_model_with_its_calibration(capsys):
    flags = ["--json", "a.json", "--figure", "a.svg", "--reliability", "b.png"]
    assert run(["evaluate", *SMALL, "--model", "seed0-garments", *flags]) == 0
    output = capsys.readouterr().out
    content = json.loads(Path("a.json").read_text())
    error = content["calibration"]["expected_calibration_error"]
    assert f"Expected calibration error {error:.4f}" in output
    temperature = content["temperature"]
    # Validation images of a training set of 300: a tenth.
    assert temperature["fitted_on"] == 30
    assert f"At temperature {temperature['value']:.3f}, fitted on 30" in output
    assert output.count(" at 0.") == 5 and len(content["confident_errors"]) == 20
    assert Path("a.svg").exists() and Path("b.png").exists()


@pytest.mark.parametrize(
    "words", [["all"], ["seed0-garments seed1-garments"], ["seed0-garments"] * 2]
)
def test_several_models(words, capsys):
    assert run(["evaluate", *SMALL, "--json", "a.json", "--model", *words]) == 0
    output = capsys.readouterr().out
    content = json.loads(Path("a.json").read_text())
    if words[0] == words[-1] != "all" and len(words) == 2:
        assert content["model"] == "seed0-garments"
        return
    assert [one["model"] for one in content] == ["seed0-garments", "seed1-garments"]
    assert "95 % interval     loss" in output and "other" not in output


def test_a_file_without_a_card_has_no_temperature(capsys):
    Path("saved_models/seed0-garments.json").unlink()
    path = "saved_models/seed0-garments.keras"
    assert run(["evaluate", *SMALL, "--json", "a.json", "--model", path]) == 0
    assert "No temperature" in capsys.readouterr().out
    assert json.loads(Path("a.json").read_text())["temperature"] is None


def test_a_path_with_a_space(capsys, dataset):
    save_linear("one", 0, dataset, "my models")
    paths = ["my models/one.keras", "saved_models/seed1-garments.keras"]
    assert run(["evaluate", *SMALL, "--model", *paths]) == 0
    assert "one on 100 test images" in capsys.readouterr().out


def test_every_pass_takes_the_batch_size(monkeypatch, capsys):
    sizes = []

    def predict(model, images, batch_size=None, **flags):
        sizes.append((len(images), batch_size))
        return engines.predict_as_it_is(model, images, batch_size, **flags)

    monkeypatch.setattr(engines, "predict_as_it_is", engines.predict, raising=False)
    monkeypatch.setattr(engines, "predict", predict)
    flags = ["--model", "seed0-garments", "--batch-size", "7"]
    assert run(["evaluate", *SMALL, *flags]) == 0
    assert sizes == [(100, 7), (30, 7)]


@pytest.mark.parametrize("flag", ["--figure", "--reliability"])
def test_a_figure_of_another_kind_is_refused_before_any_work(flag, capsys):
    flags = ["--model", "absent", flag, "a.pdf"]
    assert_refused(["evaluate", *SMALL, *flags], "as .png or .svg.*a.pdf", capsys)


def test_images_that_were_trained_on_are_not_held_back(dataset):
    card = card_or_empty("seed0-garments")
    assert len(validation_subset(card, dataset)) == 30
    for change in (
        {"recipe": {"data_split": "full"}},
        {"recipe": {"data_split": "fashionnet"}},
        {"dataset": {"checksum": "of others"}},
    ):
        assert validation_subset(card | change, dataset) is None
    assert validation_subset({}, dataset) is None


def test_compare(capsys):
    assert run(["compare", *SMALL, "--models", "all", "--json", "a.json"]) == 0
    output = capsys.readouterr().out
    content = json.loads(Path("a.json").read_text())
    [pair] = content["pairs"]
    assert {pair["first"], pair["second"]} == {"seed0-garments", "seed1-garments"}
    assert f"{pair['only_first']:>5} : {pair['only_second']}" in output
    [seeds] = content["over_seeds"]
    assert (seeds["network"], seeds["models"]) == ("linear", 2)
    assert f"linear: {seeds['mean']:.4f} ± {seeds['spread']:.4f}" in output
    assert "of 2 seeds: default" in output
    assert max(map(len, output.splitlines())) <= 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["evaluate", *SMALL, "--model", "all", "--figure", "a.png"],
            "draw one model",
        ),
        (["evaluate", *SMALL, "--model", " "], "No model is named"),
        (["evaluate", *SMALL, "--model", "'a"], "quote is not closed"),
        (
            ["evaluate", *SMALL, "--model", "all", "--models-dir", "none"],
            "no model of garments in 'none'",
        ),
        (["compare", *SMALL, "--models", "seed0-garments"], "at least two models"),
        (["compare", *SMALL, "--models", "seed0-garments absent"], "no model file"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys):
    assert_refused(arguments, message, capsys)


def test_a_model_that_gives_no_numbers_is_refused(folder, dataset, capsys):
    save_linear("nan", 0, dataset, scale=np.nan)
    Image.fromarray(dataset.x_test[0]).save("a.png")
    model = "saved_models/nan.keras"
    for command in (
        ["evaluate", *SMALL, "--model", model],
        ["predict", "a.png", "--model", model, "--out", "seen"],
        ["compare", *SMALL, "--models", "seed0-garments", model],
    ):
        capsys.readouterr()
        assert run(command) == 2
        out, error = capsys.readouterr()
        assert "outputs that are no finite numbers" in error.splitlines()[-1]
        assert "nan%" not in out and "McNemar" not in out
    assert not Path("seen/predictions.csv").exists()


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_a_file_that_cannot_be_written_is_refused_first(command, capsys, monkeypatch):
    def load(args):
        raise AssertionError("the work began")

    monkeypatch.setattr("fmkeras.cli.evaluate.load_data", load)
    words = {"evaluate": ["--model"], "compare": ["--models"]}[command]
    assert (
        run([command, *SMALL, *words, "seed0-garments", "--json", "saved_models"]) == 2
    )
    assert "'saved_models' is a folder" in capsys.readouterr().err


def test_predict_writes_a_table_where_out_is_one(dataset, capsys):
    Image.fromarray(dataset.x_test[0]).save("a.png")
    model = "saved_models/seed0-garments.keras"
    assert run(["predict", "a.png", "--model", model, "--out", "table.csv"]) == 0
    assert Path("table.csv").is_file()
    assert list(Path("runs/predictions").glob("*.png"))


def test_show_takes_a_file(capsys):
    assert run(["show", "saved_models/seed0-garments.keras"]) == 0
    out = capsys.readouterr().out
    assert "logits" in out and "7,850" in out


def test_words_and_patterns(folder):
    for name in ("a b.png", "c.png", "d.png"):
        Path(name).touch()
    assert split_words(["a b.png", "c.png d.png", "'a b.png' e"]) == [
        "a b.png",
        "c.png",
        "d.png",
        "a b.png",
        "e",
    ]
    assert split_words(["logistic regression", "LeNet mlp"]) == [
        "logistic_regression",
        "LeNet",
        "mlp",
    ]
    assert expand_patterns(["*.png", "e*.png"]) == [
        "a b.png",
        "c.png",
        "d.png",
        "e*.png",
    ]
    with pytest.raises(UserError, match="quote"):
        split_words(["'a"])
