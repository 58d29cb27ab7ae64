"""Runs logged elsewhere too: what is there, what a missing or failing log does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from fmkeras.datasets import load_dataset
from fmkeras.errors import UserError
from fmkeras.recipes import Recipe
from fmkeras.training import trackers
from fmkeras.training.run import train
from fmkeras.training.trackers import Tracker, check_trackers, opened_trackers

RECIPE = Recipe(epochs=2, batch_size=50)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def dataset():
    return load_dataset("garments", train_size=200, test_size=50)


@pytest.fixture(autouse=True)
def own_place(monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE", "WANDB_PROJECT", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)


def run(dataset, folder, **flags):
    return train("linear", RECIPE, dataset, out=None, runs=folder / "runs", **flags)


class Recorder(Tracker):
    """Keeps what it is told, and fails at a chosen moment."""

    name = "recorder"
    fails = ""

    def connect(self, place):
        self.said = []

    def begin(self, known, settings):
        self.said.append(("begin", known, settings["recipe.epochs"]))
        return known or "one"

    def log(self, figures, epoch):
        if self.fails == "log":
            raise RuntimeError("the server is\naway")
        self.said.append(("log", epoch, set(figures)))

    def end(self, status):
        self.said.append(("end", status))


@pytest.fixture
def recorder(monkeypatch):
    made = []

    class Made(Recorder):
        def __init__(self, folder):
            super().__init__(folder)
            made.append(self)

    monkeypatch.setattr(trackers, "check_trackers", lambda names: None)
    monkeypatch.setattr(trackers, "MlflowTracker", Made)
    return made


def test_settings_epochs_and_test_figures_are_logged(recorder, dataset, tmp_path):
    made = run(dataset, tmp_path, log=["mlflow"])
    begin, first, second, test, end = recorder[0].said
    assert begin == ("begin", None, 2) and end == ("end", "FINISHED")
    assert first[1] == 1 and second[1] == 2
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= first[2]
    assert test == ("log", made.record["kept_epoch"], {"test_accuracy", "test_loss"})
    ids = json.loads((made.folder / trackers.IDS).read_text())
    assert ids == {"recorder": "one"}


def test_a_log_that_fails_ends_alone(recorder, dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Recorder, "fails", "log")
    assert run(dataset, tmp_path, log=["mlflow"]).record["kept_epoch"]
    said = [line for line in capsys.readouterr().err.splitlines() if "recorder" in line]
    assert len(said) == 1 and "the server is away" in said[0]


def test_an_interrupted_run_goes_on_in_the_same_log(recorder, dataset, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path, log=["mlflow"], callbacks=[Stop()])
    assert recorder[0].said[-1] == ("end", "KILLED")
    run(dataset, tmp_path, log=["mlflow"], resume="last")
    assert recorder[1].said[0] == ("begin", "one", 2)
    assert recorder[1].said[-1] == ("end", "FINISHED")


def test_nothing_changes_without_a_log(dataset, tmp_path):
    made = run(dataset, tmp_path)
    assert not (made.folder / trackers.IDS).exists()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [made.folder.name]
    with opened_trackers([], made.folder) as opened:
        assert opened == []


def test_what_is_unknown_or_missing_is_one_line(monkeypatch):
    with pytest.raises(UserError, match="mlflow, wandb. Received: 'neptune'"):
        check_trackers(["neptune"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install -r requirements/mlflow.txt"):
        check_trackers(["mlflow"])


def test_a_missing_package_ends_with_code_2_and_writes_nothing(tmp_path):
    if not __import__("importlib.util").util.find_spec("wandb"):
        words = ["train", "--model", "linear", "--data", "garments", "--log", "wandb"]
        answer = subprocess.run(
            [sys.executable, "-m", "fmkeras", *words, "--runs", str(tmp_path / "runs")],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        assert answer.returncode == 2 and answer.stderr.count("\n") == 1
        assert "pip install" in answer.stderr and not (tmp_path / "runs").exists()


@pytest.mark.filterwarnings("ignore")
def test_mlflow_holds_the_run_in_the_folder_of_runs(dataset, tmp_path):
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    made = run(dataset, tmp_path, log=["mlflow"])
    place = tmp_path / "runs/mlflow"
    client = MlflowClient(f"sqlite:///{place}/mlflow.db")
    found = client.get_experiment_by_name("fmkeras")
    [one] = client.search_runs([found.experiment_id])
    assert one.info.status == "FINISHED" and one.info.run_name == made.folder.name
    assert one.data.params["recipe.epochs"] == "2"
    assert one.data.params["model"] == "linear"
    steps = client.get_metric_history(one.info.run_id, "val_accuracy")
    assert [metric.step for metric in steps] == [1, 2]
    assert steps[0].value == pytest.approx(made.record["history"]["val_accuracy"][0])
    test = one.data.metrics["test_accuracy"]
    assert test == pytest.approx(made.evaluation.accuracy)
    # Names of classes too, where MLflow allows them.
    assert any("/T-shirt/top" in name for name in one.data.metrics)


@pytest.mark.filterwarnings("ignore")
def test_wandb_holds_the_run_offline_in_the_folder_of_runs(dataset, tmp_path):
    pytest.importorskip("wandb")
    made = run(dataset, tmp_path, log=["wandb"])
    [folder] = (tmp_path / "runs/wandb").glob("offline-run-*")
    [file] = folder.glob("run-*.wandb")
    content = file.read_bytes()
    assert b"val_accuracy" in content and b"test_accuracy" in content
    assert made.folder.name.encode() in content
