"""A search as a study of Optuna: every trial, value and epoch, or one line why not."""

import json

import pytest
from support.report_models import search_record

from tuner.__main__ import main
from tuner.results.optuna_storage import write_storage

TIMES = {"time": "2026-11-22T06:52:00+00:00", "seed": 0, "recipe": {"epochs": 6}}


@pytest.fixture
def record():
    return search_record() | TIMES


def folder_of(tmp_path, record, name="first"):
    folder = tmp_path / f"tune-{name}"
    folder.mkdir(parents=True)
    (folder / "trials.json").write_text(json.dumps(record))
    return folder


def test_every_trial_is_in_the_study(record, tmp_path):
    optuna = pytest.importorskip("optuna")
    folder_of(tmp_path, record)
    flags = ["--name", "first", "--runs", str(tmp_path)]
    assert main(["export", *flags]) == main(["export", *flags]) == 0
    path = tmp_path / "optuna-first.db"
    assert {one.name for one in tmp_path.iterdir()} == {"tune-first", path.name}
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{path}")
    assert study.study_name == "first"
    assert study.user_attrs["model"] == "mlp"
    assert study.user_attrs["objective"] == "val_accuracy"
    assert study.best_trial.number == 5 and study.best_value == pytest.approx(0.905)
    trials = study.get_trials()
    states = [trial.state.name for trial in trials]
    assert states[2:4] == ["RUNNING", "FAIL"] and states.count("COMPLETE") == 12
    row, trial = record["trials"][6], trials[6]
    assert list(trial.intermediate_values.values()) == row["val_accuracies"]
    assert trial.params == row["values"] | {"hidden_units": "64-32"}
    assert trial.distributions["learning_rate"].log
    assert trial.distributions["batch_size"].choices == (32, 64, 128)
    assert trial.duration.total_seconds() == pytest.approx(row["seconds"])
    assert "not" in trials[3].user_attrs["reason"]


def test_a_search_for_the_least_loss_is_minimised(record, tmp_path):
    optuna = pytest.importorskip("optuna")
    path = tmp_path / "loss.db"
    assert write_storage(record | {"objective": "val_loss"}, "loss", path) == 14
    study = optuna.load_study(study_name="loss", storage=f"sqlite:///{path}")
    assert study.direction.name == "MINIMIZE" and study.best_value == 0.3
    assert not study.best_trial.intermediate_values


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "Which search"),
        (["--name", "nowhere"], "There is no such search"),
        (["--name", "damaged"], "is damaged"),
        (["--name", "first", "--out", "mine.txt"], "is no storage"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    flags, message, record, tmp_path, capsys, monkeypatch
):
    pytest.importorskip("optuna")
    folder_of(tmp_path / "runs", record)
    folder_of(tmp_path / "runs", {"trials": [3]}, "damaged")
    (tmp_path / "mine.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["export", *flags]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_without_optuna_the_command_to_get_it_is_told(
    record, tmp_path, capsys, monkeypatch
):
    folder_of(tmp_path, record)
    real = __import__("importlib.util").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *rest: None if name == "optuna" else real(name, *rest),
    )
    assert main(["export", "--name", "first", "--runs", str(tmp_path)]) == 2
    assert "pip install optuna" in capsys.readouterr().err
    assert not (tmp_path / "optuna-first.db").exists()
