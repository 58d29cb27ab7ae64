"""What the sources let a user do, in their own words."""

import csv
import json
from pathlib import Path

import pytest
import torch

from fmkeras.__main__ import main
from fmkeras.benchmark.pytorch.build import build_twin
from fmkeras.recipes import Recipe, complete_changes, find_recipe
from fmkeras.training import fit

DATA = ["--data", "garments", "--train-size", "60", "--test-size", "20"]


def train(tmp_path, *words):
    places = ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    assert main(["train", *words, *DATA, "--epochs", "1", *places]) == 0
    (record,) = (tmp_path / "runs").glob("*/record.json")
    return json.loads(record.read_text())


def test_a_network_s_name_may_hold_spaces(tmp_path, capsys):
    words = ["--model", "logistic regression", "--optimizer", "adam"]
    words += ["--learning_rate", "0.001", "--weight_decay", "1e-4"]
    record = train(tmp_path, *words, "--batch_size", "32", "--model_save", "False")
    assert record["model"] == "logistic_regression"
    assert (record["recipe"]["l2"], record["recipe"]["weight_decay"]) == (1e-4, 0.0)
    printed = capsys.readouterr().out
    assert "With adam weight_decay is PyTorch's, an L2 term: l2 0.0001." in printed
    assert "Model:" not in printed
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("widths", [["16", "8"], ["16,8"]])
def test_widths_are_given_one_by_one_and_rmsprop_trains(tmp_path, widths):
    words = ["--model", "mlp", "--hidden_units", *widths]
    words += ["--optimizer", "rmsprop", "--model_save", "True"]
    record = train(tmp_path, *words)
    assert record["options"] == {"hidden_units": [16, 8]}
    assert record["recipe"]["optimizer"] == "rmsprop"
    assert (tmp_path / "out/mlp-garments.keras").exists()


def test_a_protocol_s_test_figures_are_recorded_epoch_by_epoch(tmp_path, capsys):
    record = train(tmp_path, "--model", "linear", "--recipe", "published")
    (history,) = (tmp_path / "runs").glob("*/history.csv")
    with open(history, newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["test_accuracy"]) == record["history"]["test_accuracy"][0]
    assert record["test"]["accuracy"] == record["history"]["test_accuracy"][0]
    assert "test_accuracy " in capsys.readouterr().out
    assert set(record["inference"]) == {"train", "test"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model_save", "maybe"], "expected True or False. Received: 'maybe'"),
        (["--hidden_units", "a"], "expected a whole number. Received: 'a'"),
        (["--test-each-epoch", "--keep", "best"], "expected keep last"),
    ],
)
def test_bad_words_end_in_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        raise SystemExit(main(["train", "--model", "mlp", *words, *DATA]))
    assert caught.value.code == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1


def test_weight_decay_is_decoupled_where_the_optimizer_decouples_it():
    adamw = Recipe(optimizer="adamw", weight_decay=0.01)
    assert complete_changes(adamw, {"weight_decay": 0.1}) == {"weight_decay": 0.1}
    for optimizer in ("adam", "sgd", "rmsprop"):
        changes = complete_changes(adamw, {"optimizer": optimizer, "weight_decay": 0.1})
        recipe = adamw.replace(**changes)
        assert (recipe.l2, recipe.weight_decay) == (0.1, 0.0)
    # A decay that came with the recipe is not the user's.
    recipe = adamw.replace(**complete_changes(adamw, {"optimizer": "adam"}))
    assert (recipe.l2, recipe.weight_decay) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"weight_decay": 0.0}, {"l2": 0.0, "weight_decay": 0.0}),
        ({"optimizer": "adamw"}, {"l2": 0.0, "weight_decay": 0.0}),
        ({"optimizer": "adamw", "weight_decay": 0.1}, {"l2": 0.0, "weight_decay": 0.1}),
        ({"optimizer": "rmsprop"}, {"l2": 0.0}),
        # PyTorch's, which has none unless it is asked for.
        ({"optimizer": "sgd"}, {"momentum": 0.0}),
        ({"optimizer": "sgd", "momentum": 0.5}, {"momentum": 0.5}),
    ],
)
def test_a_change_leaves_nothing_of_the_published_optimizer(changes, expected):
    recipe = find_recipe("published", "logistic_regression")
    assert recipe.l2 == 1e-4
    changed = recipe.replace(**complete_changes(recipe, changes))
    assert {name: getattr(changed, name) for name in expected} == expected
    default = find_recipe("default", "logistic_regression")
    sgd = default.replace(**complete_changes(default, {"optimizer": "sgd"}))
    assert sgd.momentum == 0.9


@pytest.mark.parametrize(
    ("model", "changes", "rate"),
    [
        ("lenet_relu", {"optimizer": "muon"}, 0.05),
        ("lenet_relu", {"optimizer": "sgd"}, 0.05),
        ("lenet_relu", {"optimizer": "rmsprop"}, 4e-3),
        ("fmk_1m", {"optimizer": "adamw"}, 2e-3),
        ("fmk_1m", {"optimizer": "adamw", "learning_rate": 1e-2}, 1e-2),
    ],
)
def test_a_rate_is_not_taken_from_an_optimizer_of_another_kind(model, changes, rate):
    recipe = find_recipe("default", model)
    changed = recipe.replace(**complete_changes(recipe, changes))
    assert changed.learning_rate == rate


@pytest.mark.parametrize(
    ("model", "optimizer", "rate", "momentum"),
    [
        ("tinyvgg", "adam", 2e-3, 0.0),
        ("tinyvgg", "muon", 0.05, 0.9),
        ("mlp", "muon", 0.05, 0.9),
        # The source's own choice, at its rate.
        ("mlp", "sgd", 1e-4, 0.0),
    ],
)
def test_the_same_of_a_published_recipe(model, optimizer, rate, momentum):
    recipe = find_recipe("published", model)
    changed = recipe.replace(**complete_changes(recipe, {"optimizer": optimizer}))
    assert (changed.learning_rate, changed.momentum) == (rate, momentum)


def test_a_published_recipe_stays_one_with_other_fields_changed():
    recipe = find_recipe("published", "cnn").replace(epochs=5)
    changed = recipe.replace(**complete_changes(recipe, {"optimizer": "sgd"}))
    assert (changed.learning_rate, changed.momentum) == (recipe.learning_rate, 0.0)


def test_the_same_words_go_on_with_an_interrupted_training(tmp_path, monkeypatch):
    class Interrupting(fit.ProgressBar):
        def on_epoch_begin(self, epoch, logs=None):
            super().on_epoch_begin(epoch, logs)
            if epoch:
                raise KeyboardInterrupt

    words = ["train", "--model", "logistic regression", "--optimizer", "adam"]
    words += ["--weight_decay", "1e-4"]
    places = ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    first = [*places, *DATA, "--epochs", "2", "--model_save", "False"]
    with monkeypatch.context() as patch:
        patch.setattr(fit, "ProgressBar", Interrupting)
        assert main([*words, *first]) == 130
    (folder,) = (tmp_path / "runs").iterdir()
    assert main([*words, "--resume", str(folder)]) == 0
    assert (folder / "record.json").exists()
    assert not list((tmp_path / "out").glob("*"))


def test_the_words_of_a_test_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(build_twin("mlp").state_dict(), tmp_path / "mlp.pt")
    words = ["evaluate", "--model_path", "mlp.pt", "--model_name", "mlp"]
    words += ["--batch_size", "7", "--normalise", "--figure", "matrix.png"]
    assert main([*words, *DATA, "--json", "figures.json"]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    errors = 20 - round(20 * figures["accuracy"])
    shirts = figures["taken_for_shirts"]
    assert shirts["share_of_errors"] == pytest.approx(shirts["count"] / errors)
    assert (tmp_path / "matrix.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert f"{shirts['count']} of {errors} errors" in printed


def test_the_test_command_reads_the_widths_from_the_weights(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    torch.save(build_twin("mlp", hidden_units=(16, 8)).state_dict(), "mlp.pt")
    words = ["evaluate", "--model_path", "mlp.pt", "--model_name", "mlp"]
    assert main([*words, *DATA]) == 0
    printed = capsys.readouterr().out
    assert "(16, 784)" in printed and "(8, 16)" in printed
    # Nothing is left but the file itself.
    assert [path.name for path in tmp_path.iterdir()] == ["mlp.pt"]


def test_several_files_of_weights_are_evaluated_each_by_its_name(tmp_path):
    files = [str(tmp_path / folder / "linear.pt") for folder in ("one", "two")]
    for seed, file in enumerate(files):
        torch.manual_seed(seed)
        Path(file).parent.mkdir()
        torch.save(build_twin("linear").state_dict(), file)
    found = str(tmp_path / "figures.json")
    words = ["evaluate", "--model", *files, "--model-name", "linear", "--json", found]
    assert main([*words, *DATA]) == 0
    both = json.loads(Path(found).read_text())
    assert [one["model"] for one in both] == files
    for one, file in zip(both, files, strict=True):
        alone = ["evaluate", "--model", file, "--model-name", "linear", "--json", found]
        assert main([*alone, *DATA]) == 0
        again = json.loads(Path(found).read_text())
        same = ("model", "accuracy", "loss", "confusion_matrix")
        assert [again[key] for key in same] == [one[key] for key in same]
    assert both[0]["loss"] != both[1]["loss"]


def test_classes_and_augmented_images_are_drawn(tmp_path):
    classes, augmented = str(tmp_path / "classes.svg"), str(tmp_path / "augmented.png")
    words = ["--classes", classes, "--augmented", augmented, "--recipe", "fashionnet"]
    assert main(["data", "--data", "garments", *words]) == 0
    assert "T-shirt/top" in (tmp_path / "classes.svg").read_text()
    assert (tmp_path / "augmented.png").stat().st_size > 10_000
