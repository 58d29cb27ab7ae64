"""Searches from start to end: of every kind, killed, failing, and what they leave."""

import csv
import json

import numpy as np
import pytest
from support.tuning import (
    CONSTANT,
    GRID,
    RANGES,
    figures,
    kill_at_random,
    search,
    search_arguments,
)

from fmkeras.__main__ import main as train
from fmkeras.datasets import load_dataset
from fmkeras.recipes import find_recipe
from fmkeras.training.fit import fit
from tuner.settings import read_settings
from tuner.trials.files import read_outcome
from tuner.trials.run import run_trial

KINDS = {
    "grid": (GRID, ()),
    "random": (RANGES, ("--trials", "4")),
    "bayesian": (RANGES, ("--trials", "8")),
    "hyperband": (RANGES, ()),
}


def arguments_of(kind, folder, name):
    space, flags = KINDS[kind]
    return search_arguments(folder, name, space, "--search", kind, *flags)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a finished search of each kind, made when first asked for."""
    folder = tmp_path_factory.mktemp("undisturbed")
    made = {}

    def make(kind):
        if kind not in made:
            assert search(arguments_of(kind, folder, kind)) == 0
            made[kind] = folder / f"tune-{kind}"
        return made[kind]

    return make


@pytest.fixture(scope="module")
def images():
    return load_dataset("garments", train_size=300, test_size=20)


def test_a_grid_trains_every_combination_once(undisturbed):
    record = json.loads((undisturbed("grid") / "trials.json").read_text())
    assert [tuple(row["values"].values()) for row in record["trials"]] == [
        (batch, rate) for batch in (45, 90) for rate in (0.01, 0.001)
    ]
    for row in record["trials"]:
        assert row["state"] == "finished" and row["epochs"] == 3
        assert len(row["val_accuracies"]) == 3
        assert row["val_accuracy"] == row["val_accuracies"][row["kept_epoch"] - 1]
        assert row["seconds"] > 0 and row["examples_per_second"] > 0
    best = max(record["trials"], key=lambda row: row["val_accuracy"])
    assert record["best"] == best["trial"]
    with open(undisturbed("grid") / "trials.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["batch_size"] for row in rows] == ["45", "45", "90", "90"]
    assert [float(row["val_accuracy"]) for row in rows] == [
        row["val_accuracy"] for row in record["trials"]
    ]


@pytest.mark.every_backend
def test_a_trial_is_a_run_and_the_best_recipe_repeats_it(tmp_path, images):
    space = {"hyperparameters": {"batch_size": [45]}, "recipe": CONSTANT}
    assert search(search_arguments(tmp_path, "one", space, "--search", "grid")) == 0
    path = tmp_path / "tune-one/best.json"
    best = json.loads(path.read_text())
    recipe = find_recipe(str(path), best["model"])
    folder = tmp_path / "run"
    fitted = fit(best["model"], recipe, images, folder=folder, seed=best["seed"])
    assert fitted.record["validation"] == best["validation"]
    assert best["validation"]["accuracy"] > 0.15


def test_tensorboard_finds_each_trial_with_its_hyperparameters(undisturbed):
    (path,) = (undisturbed("grid") / "trials/3").glob("events.out.tfevents.*")
    # Read as bytes: tensorboard's own reader loads tensorflow, for seconds.
    content = path.read_bytes()
    assert b"_hparams_/session_start_info" in content and b"batch_size" in content
    assert content.count(b"epoch/val_accuracy") == 3


def test_hyperband_goes_on_with_the_best(undisturbed):
    folder = undisturbed("hyperband")
    plans = [
        json.loads(path.read_text())
        for path in sorted((folder / "trials").glob("*/plan.json"))
    ]
    continued = [plan for plan in plans if plan["earlier"]]
    assert continued and {plan["epochs"] for plan in plans} == {1, 3}
    record = json.loads((folder / "trials.json").read_text())
    rows = {row["trial"]: row for row in record["trials"]}
    for number, plan in enumerate(plans):
        row = record["trials"][number]
        assert row["epochs"] == plan["epochs"]
        if plan["earlier"]:
            earlier = rows[plan["earlier"]]["val_accuracies"]
            assert row["val_accuracies"][: len(earlier)] == earlier


def test_what_hyperband_went_on_with_is_what_a_run_gives(undisturbed, images, tmp_path):
    folder = undisturbed("hyperband")
    continued = next(
        path.parent
        for path in sorted((folder / "trials").glob("*/plan.json"))
        if json.loads(path.read_text())["earlier"]
    )
    recipe = find_recipe(str(continued / "config.json"), "logistic_regression")
    fitted = fit("logistic_regression", recipe, images, folder=tmp_path)
    accuracies = [row["val_accuracy"] for row in fitted.history]
    (row,) = (
        row
        for row in json.loads((folder / "trials.json").read_text())["trials"]
        if row["trial"] == continued.name
    )
    assert accuracies == row["val_accuracies"]


def test_killed_once_it_ends_as_if_never_disturbed(tmp_path, undisturbed):
    arguments = arguments_of("grid", tmp_path, "killed")
    folder = tmp_path / "tune-killed"
    assert kill_at_random(arguments, folder, within=0.5, seed=1)
    assert search(arguments) == 0
    assert figures(folder) == figures(undisturbed("grid"))


def test_make_train_takes_the_best_with_the_options_of_its_network(
    tmp_path, monkeypatch, capsys
):
    space = {
        "hyperparameters": {"hidden_units": [[24]], "optimizer": ["sgd"]},
        "recipe": {"epochs": 1, "learning_rate": 0.05},
    }
    arguments = search_arguments(tmp_path, "o", space, "--search", "grid")
    assert search([*arguments, "--model", "mlp"]) == 0
    monkeypatch.chdir(tmp_path)
    path = str(tmp_path / "tune-o/best.json")
    data = ["--data", "garments", "--train-size", "300", "--test-size", "20"]
    assert train(["train", "--model", "mlp", "--recipe", path, *data]) == 0
    card = json.loads((tmp_path / "saved_models/mlp-garments.json").read_text())
    best = json.loads((tmp_path / "tune-o/best.json").read_text())
    assert card["options"] == {"hidden_units": [24]}
    assert card["recipe"] == best["recipe"] and card["recipe"]["weight_decay"] == 0
    assert card["validation"] == best["validation"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_killed_three_times_it_ends_as_if_never_disturbed(kind, tmp_path, undisturbed):
    arguments = arguments_of(kind, tmp_path, "killed")
    folder = tmp_path / "tune-killed"
    kills = [kill_at_random(arguments, folder, 1.0, seed) for seed in (2, 3, 4)]
    assert any(kills)
    assert search(arguments) == 0
    assert figures(folder) == figures(undisturbed(kind))


def test_a_trial_that_fails_is_kept_with_its_reason_and_the_search_goes_on(
    tmp_path, monkeypatch
):
    from tuner.trials import run as trials

    whole = trials.fit

    def fails(model, recipe, *arguments, **options):
        if recipe.batch_size == 45 and recipe.learning_rate == 0.001:
            raise MemoryError
        return whole(model, recipe, *arguments, **options)

    monkeypatch.setattr(trials, "fit", fails)
    space = GRID | {
        "hyperparameters": {
            "batch_size": [45, 90],
            "learning_rate": [1e38, 0.001],
        }
    }
    space["recipe"] = CONSTANT | {"optimizer": "sgd", "weight_decay": 0.0}
    assert search(search_arguments(tmp_path, "f", space, "--search", "grid")) == 0
    record = json.loads((tmp_path / "tune-f/trials.json").read_text())
    states = [(row["state"], row["reason"]) for row in record["trials"]]
    assert [state for state, _ in states] == ["failed", "failed", "failed", "finished"]
    assert "training diverged" in states[0][1] and states[1][1] == "out of memory"
    assert record["best"] == "3"
    # Nor is a failed trial repeated.
    assert search(search_arguments(tmp_path, "f", space, "--search", "grid")) == 0
    again = json.loads((tmp_path / "tune-f/trials.json").read_text())
    assert again["trials"] == record["trials"]


@pytest.mark.every_backend
def test_batches_larger_than_the_data_count_every_image(tmp_path, images):
    space = {
        "hyperparameters": {"batch_size": [10_000, 77]},
        "recipe": CONSTANT | {"epochs": 1},
    }
    assert search(search_arguments(tmp_path, "b", space, "--search", "grid")) == 0
    folder = tmp_path / "tune-b"
    settings = read_settings(folder)
    for number in "01":
        outcome = run_trial(settings, images, folder, number)
        assert outcome == read_outcome(folder, number)
        with open(folder / "trials" / number / "history.csv") as file:
            (row,) = csv.DictReader(file)
        # 270 to train, 30 to validate: the shares are whole numbers of images.
        for share, count in (("accuracy", 270), ("val_accuracy", 30)):
            right = float(row[share]) * count
            np.testing.assert_allclose(right, round(right), atol=1e-6)


def test_a_damaged_file_of_a_search_is_one_line(tmp_path, capsys):
    space = {"hyperparameters": {"learning_rate": [0.001]}, "recipe": {"epochs": 1}}
    assert search(search_arguments(tmp_path, "a", space, "--search", "grid")) == 0
    folder = tmp_path / "tune-a"
    for file in ("trials/0/outcome.json", "oracle.json"):
        whole = (folder / file).read_text()
        for content in ("", "[]", "null", "{}", whole[:-9]):
            (folder / file).write_text(content)
            capsys.readouterr()
            assert search(["search", "--resume", str(folder)]) == 2
            error = capsys.readouterr().err
            assert error.count("\n") == 1 and str(folder / file) in error
        (folder / file).write_text(whole)
    assert search(["search", "--resume", str(folder)]) == 0
