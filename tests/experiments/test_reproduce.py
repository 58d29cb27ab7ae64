import json
import subprocess
from pathlib import Path

import pytest

from fmkeras.errors import UserError
from fmkeras.experiments import repeat as studies
from fmkeras.experiments.reproduce import (
    PUBLISHED_PER_CLASS,
    comparison_text,
    reproduce,
    study_records,
)
from fmkeras.labels import CLASS_NAMES
from fmkeras.models import list_models, model_info
from fmkeras.report.tables.update import published_classes_table, published_table


def make_record(model="fashionnet", seed=0, accuracy=0.91, epochs=60):
    figures = {"precision": accuracy, "recall": 0.5, "f1": 0.625, "support": 400}
    return {
        "model": model,
        "recipe": {"name": "fashionnet", "epochs": epochs},
        "seed": seed,
        "backend": "torch",
        "precision": "float32",
        "dataset": {"name": "fashion-mnist"},
        "device": "CPU (two cores)",
        "commit": "0123456789abcdef",
        "test": {
            "accuracy": accuracy,
            "per_class": {name: figures for name in CLASS_NAMES},
        },
    }


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Runs that train nothing; their commands are collected."""
    commands = []

    def pretend(command, check):
        commands.append(command)
        folder = Path(command[command.index("--runs") + 1]) / "run"
        folder.mkdir(parents=True)
        model = command[command.index("--model") + 1]
        seed = int(command[command.index("--seed") + 1])
        (folder / "record.json").write_text(json.dumps(make_record(model, seed)))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(studies.subprocess, "run", pretend)
    return commands


def places(tmp_path):
    return {"records": tmp_path / "records", "runs": tmp_path / "runs"}


def test_a_protocol_is_the_published_recipe_once_a_seed(trained, tmp_path):
    found = reproduce("fashionnet", "jax", [0, 1], **places(tmp_path))
    assert [record["seed"] for record in found] == [0, 1]
    for command in trained:
        assert command[command.index("--recipe") + 1] == "published"
        assert command[command.index("--backend") + 1] == "jax"
        assert "--epochs" not in command
    names = [path.name for path in (tmp_path / "records/published").iterdir()]
    assert sorted(names) == [f"fashionnet-jax-seed{n}.json" for n in (0, 1)]


def test_a_short_run_is_kept_apart(trained, tmp_path):
    reproduce("fashionnet", "torch", [0], 3, **places(tmp_path))
    assert trained[0][-2:] == ["--epochs", "3"]
    assert (tmp_path / "records/published-short").exists()
    assert not (tmp_path / "records/published").exists()
    # The published number of epochs is no short run.
    reproduce("fashionnet", "torch", [0], 60, **places(tmp_path))
    assert (tmp_path / "records/published").exists()


@pytest.mark.parametrize("epochs", [0, 61])
def test_other_epochs_than_published_are_refused(trained, tmp_path, epochs):
    with pytest.raises(UserError, match=f"has 60 epochs.*Received: {epochs}"):
        reproduce("fashionnet", "torch", [0], epochs, **places(tmp_path))
    assert not trained


def test_both_figures_stand_side_by_side():
    records = [make_record(seed=0), make_record(seed=1, accuracy=0.93)]
    text = comparison_text("fashionnet", records)
    assert "published  90.30 % (on 4,000 of the test images, which it saw at 64" in text
    assert "ours       92.00 +- 1.41 % (seeds 0, 1)" in text
    assert "SHORT" not in text
    shirt = next(line for line in text.splitlines() if line.startswith("Shirt"))
    assert shirt.split()[1:] == ["0.76", "0.70", "0.73", "0.92", "0.50", "0.62"]


def test_a_short_run_and_a_missing_figure_say_so():
    text = comparison_text("tinyvgg", [make_record("tinyvgg", epochs=3)])
    assert (
        "published  no figure (it did not train, says its text; no code of it is left)"
        in text
    )
    assert "SHORT RUN: 3 of 10 epochs" in text


def test_the_published_classes_give_the_published_accuracy():
    for name, rows in PUBLISHED_PER_CLASS.items():
        assert len(rows) == len(CLASS_NAMES)
        recall = sum(row[1] for row in rows) / len(rows)
        assert recall == pytest.approx(model_info(name).published_accuracy, abs=0.01)


def test_the_table_has_a_row_a_network_and_no_guess(tmp_path):
    folder = tmp_path / "saved_models/records"
    for study, epochs, model, accuracy in (
        ("published", 60, "fashionnet", 0.91),
        ("published", 20, "lenet_relu", 0.8922),
        ("published-short", 3, "resnet18", 0.91),
    ):
        path = folder / study / f"{model}-torch-seed0.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        record = make_record(model, accuracy=accuracy, epochs=epochs)
        path.write_text(json.dumps(record))
    rows = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[4:-1]]
        for line in published_table(tmp_path).splitlines()[2:]
    }
    assert list(rows) == [f"`{name}`" for name in list_models()]
    assert rows["`lenet`"] == ["", "", "", ""]
    assert rows["`fashionnet`"][:2] == ["91.00 %", "1"]
    assert rows["`lenet_relu`"][0] == "89.22 % (below)"
    assert rows["`resnet18`"][0] == "91.00 % (short: 3 of 100 epochs)"
    assert "| Shirt | 0.76 |" in published_classes_table(tmp_path, "fashionnet")
    assert "Not run yet" in published_classes_table(tmp_path / "none", "fashionnet")


def test_whole_runs_go_before_short_ones(tmp_path):
    for study, epochs in (("published-short", 3), ("published", 60)):
        path = tmp_path / study / "fashionnet-torch-seed0.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(make_record(epochs=epochs)))
        (record,) = study_records("fashionnet", tmp_path)
        assert record["recipe"]["epochs"] == epochs
