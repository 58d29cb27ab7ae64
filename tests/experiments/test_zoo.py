"""The zoo: what is to be trained, trained once by two processes, checked bare."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fmkeras.__main__ import main
from fmkeras.datasets import load_dataset
from fmkeras.datasets.splits import split_dataset
from fmkeras.errors import UserError
from fmkeras.experiments.zoo import check
from fmkeras.experiments.zoo import train as zoo_train
from fmkeras.experiments.zoo.check import check_zoo
from fmkeras.experiments.zoo.plan import (
    Net,
    Zoo,
    estimate_rate,
    find_result,
    plan_zoo,
    run_to_resume,
    zoo_names,
)
from fmkeras.experiments.zoo.train import zoo_text
from fmkeras.files.locks import locked
from fmkeras.models import list_models
from fmkeras.models.catalogue import CATALOGUE
from fmkeras.models.costs import MULTIPLY_ADDS
from fmkeras.models.registry import build_graph
from fmkeras.models.summary import count_multiply_adds
from fmkeras.recipes import find_recipe
from fmkeras.training.publish import publish_model
from fmkeras.training.replace import CURRENT, reason_to_stay
from fmkeras.training.run_dir import CONFIG

ROOT = Path(__file__).parents[2]
DATA = ["--data", "garments", "--train-size", "300", "--test-size", "100"]
NAMES = ("linear", "logistic_regression", "mlp")


@pytest.fixture(scope="module")
def garments_300():
    return load_dataset("garments", train_size=300, test_size=100)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three networks, trained by two processes at once."""
    folder = tmp_path_factory.mktemp("zoo")
    command = [sys.executable, "-m", "fmkeras", "zoo", "--models", *NAMES, *DATA]
    command += ["--epochs", "1", "--out", str(folder / "saved")]
    command += ["--runs", str(folder / "runs"), "--backend", "torch"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    answers = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], answers
    return folder, answers


def zoo_of(folder, dataset, **further):
    return Zoo(dataset, epochs=1, out=folder / "saved", runs=folder / "runs", **further)


@pytest.mark.slow
def test_two_processes_train_each_network_once(trained, garments_300):
    folder, answers = trained
    lines = [line.split() for text in answers for line in text.splitlines()]
    done = [words[0] for words in lines if words[2:4] == ["%", "in"]]
    assert sorted(done) == sorted(NAMES)
    for name in NAMES:
        assert len(list((folder / "runs" / name).glob("*/record.json"))) == 1
        card = json.loads((folder / f"saved/{name}-garments.json").read_text())
        assert card["epochs"] == 1
    zoo = zoo_of(folder, garments_300)
    nets = plan_zoo(zoo, NAMES)
    assert all(find_result(net, zoo) for net in nets)
    assert zoo_text(nets, zoo).count("done, ") == 3


def test_what_is_done_is_not_trained_again(trained, capsys):
    folder, _ = trained
    flags = ["--out", str(folder / "saved"), "--runs", str(folder / "runs")]
    assert main(["zoo", "--models", *NAMES, *DATA, "--epochs", "1", *flags]) == 0
    out, _ = capsys.readouterr()
    assert "about 0:00 to train" in out and len(out.splitlines()) == 4


def test_another_recipe_seed_or_data_is_another_training(trained, garments_300):
    folder, _ = trained
    zoo = zoo_of(folder, garments_300, seed=1)
    assert not any(find_result(net, zoo) for net in plan_zoo(zoo, NAMES))
    zoo = zoo_of(folder, load_dataset("garments", train_size=310, test_size=100))
    assert not any(find_result(net, zoo) for net in plan_zoo(zoo, NAMES))
    zoo = Zoo(garments_300, epochs=2, out=folder / "saved", runs=folder / "runs")
    assert not any(find_result(net, zoo) for net in plan_zoo(zoo, NAMES))


def test_a_model_computed_in_another_way_is_done_but_its_run_does_not_go_on(
    trained, garments_300, tmp_path
):
    folder, _ = trained
    shutil.copytree(folder / "saved", tmp_path / "saved")
    zoo = zoo_of(tmp_path, garments_300)
    (net,) = plan_zoo(zoo, ["mlp"])
    card = json.loads((zoo.out / "mlp-garments.json").read_text())
    told = card | {"recipe": card["recipe"] | {"precision": "bfloat16"}}
    (zoo.out / "mlp-garments.json").write_text(json.dumps(told))
    assert find_result(net, zoo)
    assert find_result(
        dataclasses.replace(net, recipe=net.recipe.replace(name="x")), zoo
    )
    run = zoo.runs / "mlp" / "run"
    run.mkdir(parents=True)
    (run / "checkpoint.npz").touch()
    (run / CONFIG).write_text(json.dumps(told))
    assert run_to_resume(net, zoo) is None
    (run / CONFIG).write_text(json.dumps(card))
    assert run_to_resume(net, zoo) == run
    # A kill came between the two moves of a checkpoint.
    (run / "checkpoint.npz").rename(run / "checkpoint-previous.npz")
    assert run_to_resume(net, zoo) == run


@pytest.fixture
def copied(trained, garments_300, tmp_path):
    """The zoo of the three networks, in a folder of the test's own."""
    shutil.copytree(trained[0], tmp_path / "zoo")
    for path in (tmp_path / "zoo/runs").glob("*/outcome.json"):
        told = json.loads(path.read_text())
        told["artifact"] = told["artifact"].replace(str(trained[0]), f"{tmp_path}/zoo")
        path.write_text(json.dumps(told))
    return zoo_of(tmp_path / "zoo", garments_300)


def change_card(path, **changes):
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | changes))
    return card


def test_a_better_model_stays_and_the_training_counts_as_done(copied):
    path = copied.out / "mlp-garments.json"
    card = json.loads(path.read_text())
    older = card["recipe"] | {"learning_rate": 0.5}
    change_card(path, recipe=older, validation={"accuracy": 1.0})
    (net,) = plan_zoo(copied, ["mlp"])
    # The epochs are given: this is not today's default.
    assert "stays: its validation accuracy is 1.0000" in find_result(net, copied).place
    assert "mlp-garments.keras' stays" in zoo_text([net], copied)
    shutil.rmtree(copied.runs / "mlp")
    assert find_result(net, copied) is None


@pytest.mark.parametrize("validation", [{"accuracy": 1.0}, {}])
def test_a_model_of_an_older_recipe_is_replaced_by_one_of_todays(
    copied, validation, monkeypatch
):
    one_epoch = dataclasses.replace(find_recipe("default", "mlp"), epochs=1)
    monkeypatch.setattr(
        "fmkeras.experiments.zoo.plan.find_recipe", lambda *_: one_epoch
    )
    zoo = dataclasses.replace(copied, epochs=None)
    (net,) = plan_zoo(zoo, ["mlp"])
    path = zoo.out / "mlp-garments.json"
    assert find_result(net, zoo).place == f"in '{path.with_suffix('.keras')}'"
    older = one_epoch.replace(learning_rate=0.5).to_dict()
    before = change_card(path, recipe=older, validation=validation)
    # The last run's file is not where the list would have it.
    assert find_result(net, zoo) is None
    assert "trained, to be put into" in zoo_text([net], zoo)
    (run,) = zoo.runs.glob("mlp/*/record.json")
    kept = run.with_name("mlp-garments.keras")
    assert publish_model(kept, zoo.out, "better")[0] == kept
    assert publish_model(kept, zoo.out, zoo.rule)[0] == path.with_suffix(".keras")
    assert json.loads(path.read_text())["recipe"] == before["recipe"]
    assert find_result(net, zoo).place == f"in '{path.with_suffix('.keras')}'"


def test_zoo_says_what_stays_and_why(copied, capsys):
    path = copied.out / "mlp-garments.json"
    path.unlink()
    flags = ["--out", str(copied.out), "--runs", str(copied.runs), "--epochs", "1"]
    assert main(["zoo", "--models", "mlp", *DATA, *flags, "--list"]) == 0
    out, _ = capsys.readouterr()
    assert "mlp-garments.keras' stays: it has no card to compare with" in out
    # What was asked for by SAVE=always is put there from the run.
    assert main(["zoo", "--models", "mlp", *DATA, *flags, "--save", "always"]) == 0
    out, _ = capsys.readouterr()
    assert "trained, to be put into" in out
    assert f"% in '{path.with_suffix('.keras')}', " in out
    assert path.exists()


@pytest.mark.parametrize("field", ["recipe", "options", "parameters"])
def test_an_imported_model_stays_one_of_another_architecture_does_not(copied, field):
    path = copied.out / "mlp-garments.json"
    (run,) = copied.runs.glob("mlp/*/record.json")
    kept = run.with_name("mlp-garments.keras")
    other = {"recipe": {}, "options": {"dropout": 0.5}, "parameters": 1}
    change_card(path, validation={}, **{field: other[field]})
    reason = reason_to_stay(kept, path.with_suffix(".keras"), CURRENT)
    assert bool(reason) == (field == "recipe")


def test_a_card_alone_counts_unless_its_network_is_named(
    trained, garments_300, tmp_path, monkeypatch
):
    folder, _ = trained
    shutil.copytree(folder / "saved", tmp_path / "saved")
    path = tmp_path / "saved/mlp-garments.json"
    card = json.loads(path.read_text())
    path.with_suffix(".keras").unlink()
    zoo = zoo_of(tmp_path, garments_300)
    monkeypatch.setattr("fmkeras.experiments.zoo.plan.zoo_names", lambda: ["mlp"])
    assert find_result(plan_zoo(zoo)[0], zoo) is None
    path.write_text(json.dumps(card | {"file": None, "remake": "make zoo MODELS=mlp"}))
    assert find_result(plan_zoo(zoo)[0], zoo)
    assert find_result(plan_zoo(zoo, ["mlp"])[0], zoo) is None


def test_the_time_is_up_while_another_process_has_the_run(tmp_path, monkeypatch):
    """The wait for a run that went on elsewhere had no end."""
    zoo = Zoo(None, out=tmp_path / "saved", runs=tmp_path / "runs")
    net = Net("mlp", find_recipe("default", "mlp"), 1.0, "measured")
    monkeypatch.setattr(zoo_train, "find_result", lambda *_: None)
    monkeypatch.setattr(zoo_train, "run_to_resume", lambda *_: tmp_path / "begun")
    lines = []
    with locked(tmp_path / "begun", "training"):
        assert zoo_train.train_zoo([net], zoo, 0.02, lines.append) == []
    assert "waiting for it" in lines[0] and "The time is up" in lines[-1]


def test_a_failed_training_is_passed_over(tmp_path, capsys):
    (tmp_path / "saved").write_text("a file where a folder should be")
    flags = ["--out", str(tmp_path / "saved"), "--runs", str(tmp_path / "runs")]
    code = main(["zoo", "--models", "linear", *DATA, "--epochs", "1", *flags])
    out, _ = capsys.readouterr()
    assert code == 1
    assert "linear               failed after" in out and "log.txt" in out


@pytest.mark.slow
def test_every_file_is_checked_to_the_last_image(trained, garments_300, tmp_path):
    folder = tmp_path / "saved"
    shutil.copytree(trained[0] / "saved", folder)
    lines = []
    # One that is right, one of another accuracy, one altered, one of other data, and
    # a card alone.
    path = folder / "mlp-garments.json"
    card = json.loads(path.read_text())
    card["test"]["accuracy"] += 0.01
    path.write_text(json.dumps(card))
    with open(folder / "linear-garments.keras", "ab") as file:
        file.write(b"more")
    other = card | {"dataset": {"checksum": "other"}}
    (folder / "other.json").write_text(json.dumps(other))
    alone = card | {"file": None, "remake": "make zoo MODELS=vgg11"}
    (folder / "alone.json").write_text(json.dumps(alone))
    backends = ("torch", "tensorflow", "jax")
    rows = check_zoo(garments_300, folder, (), backends, lines.append)
    passed = {(row["model"], row["backend"]): row["passed"] for row in rows}
    for backend in backends:
        assert passed["logistic_regression-garments", backend]
        assert not passed["mlp-garments", backend]
        assert not passed["linear-garments", backend]
    wrong = next(row for row in rows if row["model"] == "mlp-garments")
    assert wrong["expected"] == wrong["received"] + 1
    assert any("other data" in line for line in lines)
    assert any("a card alone (make zoo MODELS=vgg11)" in line for line in lines)
    assert sum("FAILED: expected sha256" in line for line in lines) == 3


def test_a_missing_file_fails_alone_and_one_without_a_card_is_opened(
    trained, garments_300, tmp_path, capsys
):
    folder = tmp_path / "saved"
    shutil.copytree(trained[0] / "saved", folder)
    shutil.copy(folder / "mlp-garments.keras", folder / "bare.keras")
    shutil.copy(folder / "mlp-garments.json", folder / "a-lost-file.json")
    (folder / "damaged.keras").touch()
    (folder / "damaged.json").write_text("{")
    # Figures of another command.
    (folder / "found.json").write_text("[]")
    lines = []
    rows = check_zoo(garments_300, folder, (), ["torch"], lines.append)
    found = {row["model"]: row for row in rows}
    assert {name for name, row in found.items() if not row["passed"]} == {
        "a-lost-file",
        "damaged",
    }
    assert "FileNotFoundError" in found["a-lost-file"]["received"]
    assert "is damaged" in found["damaged"]["received"]
    assert found["bare"]["expected"] is None and found["bare"]["passed"]
    assert found["bare"]["received"] == found["mlp-garments"]["received"]
    assert any("found" in line and "passed over" in line for line in lines)
    with pytest.raises(UserError, match="no such model.*Received: 'mpl'"):
        check_zoo(garments_300, folder, ["mpl"], ["torch"], lines.append)


def test_a_process_that_dies_at_a_file_fails_that_file_alone(tmp_path, monkeypatch):
    script = tmp_path / "dies.py"
    script.write_text(
        "import json, os, sys\n"
        "print(json.dumps({'keras': '3'}), flush=True)\n"
        "for path in sys.argv[2::2]:\n"
        "    if 'killer' in path: os._exit(9)\n"
        "    print(json.dumps({'path': path}), flush=True)\n"
    )
    monkeypatch.setattr(check, "BARE", script)
    names = ("a", "killer-1", "killer-2", "b")
    pairs = [(Path("images"), Path(name)) for name in names]
    answers = check._answers("torch", tmp_path, pairs)
    assert answers[0] == {"path": "a"} and answers[3] == {"path": "b"}
    assert [a["error"] for a in answers[1:3]] == ["exit code 9: no message"] * 2
    script.write_text("raise ImportError('no keras')")
    answers = check._answers("torch", tmp_path, pairs)
    assert [a["error"] for a in answers] == ["exit code 1: ImportError: no keras"] * 4


def test_what_is_no_folder_of_models_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FMKERAS_USED_BY", "make")
    words = ["zoo-check", "--models-dir", str(tmp_path / "found.json"), *DATA]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "expected the one that zoo wrote, as" in error
    assert "OUT=DIR; what was found goes to ARGS='--json FILE'. Received:" in error


def test_the_card_tells_which_test_images_its_figures_are_of(garments_300, tmp_path):
    card = {"recipe": {"data_split": "fashionnet"}, "seed": 4, "streams": 2}
    with np.load(check._write_images(tmp_path, garments_300, card)) as arrays:
        test = split_dataset(garments_300, 4, "fashionnet", 2).test
        np.testing.assert_array_equal(arrays["images"], test.images)
        np.testing.assert_array_equal(arrays["labels"], test.labels)
    figures = {"sha256": "0", "test": {"accuracy": 0.9, "count": 40}}
    one = check.Subject(Path("a.keras"), card | figures)
    right = {"sha256": "0", "right": 36, "count": 40}
    assert check._compare(one, right)["passed"]
    assert not check._compare(one, right | {"right": 37})["passed"]
    assert check._compare(one, right | {"count": 100})["expected"] == "40 test images"


def test_the_order_is_that_of_the_estimated_time(garments_300, tmp_path):
    zoo = Zoo(garments_300, out=tmp_path, runs=tmp_path)
    nets = plan_zoo(zoo)
    assert sorted(net.name for net in nets) == sorted(zoo_names())
    assert set(list_models()) < set(zoo_names())
    assert [net.seconds for net in nets] == sorted(net.seconds for net in nets)
    assert nets[0].name in ("linear", "logistic_regression")
    assert nets[-1].name == "vgg11"
    assert nets[3].recipe == find_recipe("default", nets[3].name)


def test_a_rate_is_the_measured_one_or_follows_from_the_size():
    entries = {
        "lenet": {"train": {"ours-torch": 100.0, "ours-torch-bfloat16": 300.0}},
        "resnet18": {"train": {"ours-torch": 5.0, "ours-jax": 1.0}},
    }
    figures = {"speed": {"cpu": {"models": entries}}}
    assert estimate_rate("lenet", "bfloat16", "torch", "cpu", figures) == (
        300.0,
        "measured",
    )
    assert estimate_rate("resnet18", "auto", "jax", "gpu", figures) == (1.0, "measured")
    rate, source = estimate_rate("resnet34", "float32", "jax", "cpu", figures)
    assert source == "size"
    assert rate == MULTIPLY_ADDS["resnet18"] / MULTIPLY_ADDS["resnet34"]


@pytest.mark.parametrize("name", [n for n in CATALOGUE if not n.startswith("vgg")])
def test_multiply_adds_are_known_without_building(name):
    assert count_multiply_adds(build_graph(name)) == MULTIPLY_ADDS[name]
