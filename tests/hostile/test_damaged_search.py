"""A damaged file of a search is named in a line, whatever it holds."""

import json

import pytest

from fmkeras.errors import UserError
from fmkeras.recipes import Recipe
from tuner.results.summary import trial_rows
from tuner.search import build_oracle
from tuner.settings import Settings, read_settings, save_or_check
from tuner.spaces.space import Hyperparameter, Space
from tuner.trials import files as trial_files


@pytest.fixture
def search(tmp_path):
    """The settings and the folder of a search of one trial that is running."""
    space = Space("mine", (Hyperparameter("batch_size", (8, 16)),))
    settings = Settings(
        *("lenet", "torch", "grid", space, Recipe(epochs=1), "val_accuracy", 0, None),
        {"data": "garments"},
    )
    save_or_check(tmp_path, settings)
    build_oracle(settings, tmp_path).create_trial("tuner0")
    return settings, tmp_path


def first_trial(state):
    return next(iter(state["trials"].values()))


def other_id(state):
    state["trials"]["../../x"] = first_trial(state) | {"trial_id": "../../x"}


def other_value(state):
    first_trial(state)["hyperparameters"]["values"]["batch_size"] = 7


@pytest.mark.parametrize(
    "damage, words",
    [
        (other_id, "no trial has the number '../../x'"),
        (other_value, "cannot be read"),
        (lambda state: state.update(trials=[]), "trials is a list"),
        (lambda state: state.update(end_order=["9999"]), "a trial that it lacks"),
        (
            lambda state: first_trial(state).update(status="?"),
            "no trial has the status",
        ),
        (lambda state: state.pop("seed_state"), "seed_state is missing"),
    ],
)
def test_a_damaged_oracle_is_refused(search, damage, words):
    settings, folder = search
    path = folder / "oracle.json"
    state = json.loads(path.read_text())
    damage(state)
    path.write_text(json.dumps(state))
    with pytest.raises(UserError) as caught:
        build_oracle(settings, folder)
    message = str(caught.value)
    assert words in message and "\n" not in message and len(message) < 1_000


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", "val_accuracy,seconds\nx,1\n", "val_accuracy\n1,2\n"],
)
def test_a_damaged_history_is_refused(search, text):
    settings, folder = search
    oracle = build_oracle(settings, folder)
    path = trial_files.trial_folder(folder, next(iter(oracle.trials))) / "history.csv"
    path.write_text(text)
    if not text:
        assert trial_rows(oracle)[0]["epochs"] == 0
        return
    with pytest.raises(UserError, match="history.csv' is damaged") as caught:
        trial_rows(oracle)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"search": "x" * 5000},
        {"objective": "test_accuracy"},
        {"space": []},
        {"recipe": {"epochs": "1"}},
        {"recipe": {"a": 1}},
        {"trials": -1},
        {"more": 1},
    ],
)
def test_damaged_settings_are_refused(search, change):
    _, folder = search
    path = folder / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError) as caught:
        read_settings(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    "name, text",
    [
        ("plan.json", '{"values": {}, "earlier": "../1"}'),
        ("plan.json", '{"values": []}'),
        ("outcome.json", '{"state": "finished"}'),
        ("outcome.json", '{"state": "done"}'),
        ("outcome.json", "[" * 10_000),
    ],
)
def test_a_damaged_plan_or_outcome_is_refused(search, name, text):
    settings, folder = search
    trial = next(iter(build_oracle(settings, folder).trials))
    (trial_files.trial_folder(folder, trial) / name).write_text(text)
    read = {
        "plan.json": trial_files.read_plan,
        "outcome.json": trial_files.read_outcome,
    }
    with pytest.raises(UserError, match=f"{name}' is damaged"):
        read[name](folder, trial)
