"""Tables come from cards and records, and the committed ones are fresh."""

import json
from pathlib import Path

import pytest

from fmkeras.errors import UserError
from fmkeras.experiments import repeat as studies
from fmkeras.experiments.repeat import repeat
from fmkeras.experiments.summary import over_seeds, summarise
from fmkeras.recipes import find_recipe
from fmkeras.report.tables.update import networks_table, study_table, update_tables

ROOT = Path(__file__).parents[2]


def make_record(seed, accuracy, backend="torch", model="lenet", epochs=3):
    return {
        "model": model,
        "recipe": {"name": "default", "epochs": epochs},
        "seed": seed,
        "backend": backend,
        "dataset": {"name": "fashion-mnist"},
        "device": "CPU (two cores)",
        "commit": "0123456789abcdef",
        "precision": "float32",
        "test": {"accuracy": accuracy},
    }


def test_the_committed_tables_are_fresh():
    assert update_tables(ROOT, write=False) == []


def test_records_are_summarised_over_their_seeds():
    records = [make_record(0, 0.90), make_record(1, 0.92), make_record(0, 0.5, "jax")]
    jax, torch = summarise(records)
    assert (jax["backend"], jax["mean"], jax["spread"]) == ("jax", 0.5, None)
    assert torch["mean"] == pytest.approx(0.91)
    assert torch["spread"] == pytest.approx(0.0141421, rel=1e-4)
    assert torch["seeds"] == [0, 1] and torch["commits"] == ["0123456"]
    half = make_record(2, 0.6) | {"precision": "bfloat16"}
    rows = summarise([*records, half])
    assert [row["backend"] for row in rows] == ["jax", "torch", "torch, bfloat16"]


def test_two_recipes_of_one_name_are_two_rows():
    other = make_record(1, 0.92)
    other["recipe"]["learning_rate"] = 0.05
    rows = summarise([make_record(0, 0.90), other])
    assert sorted(row["mean"] for row in rows) == [0.90, 0.92]


def test_a_mean_over_seeds_is_of_models_that_differ_by_them_alone():
    cards = {"a": make_record(0, 0.90), "b": make_record(1, 0.92)}
    others = {
        "the same seed": make_record(1, 0.5),
        "more epochs": make_record(2, 0.5, epochs=9),
        "other options": make_record(3, 0.5) | {"options": {"width": 3}},
        "half": make_record(4, 0.5) | {"precision": "bfloat16"},
        "begun with weights": make_record(5, 0.5) | {"start": {"sha256": "0"}},
        "frozen": make_record(6, 0.5) | {"start": {"frozen": ["conv_1"]}},
        "made elsewhere": {"model": "lenet"},
        "without a card": {},
    }
    cards |= others
    accuracies = {name: 0.5 for name in cards} | {"a": 0.90, "b": 0.92}
    [row] = over_seeds(cards, accuracies)
    assert (row["network"], row["epochs"], row["models"]) == ("lenet", 3, 2)
    assert row["mean"] == pytest.approx(0.91)
    assert row["spread"] == pytest.approx(0.0141421, rel=1e-4)
    assert over_seeds(others, accuracies) == []


def test_a_table_is_replaced_and_the_text_around_it_is_not(tmp_path):
    folder = tmp_path / "saved_models"
    for seed, accuracy in enumerate((0.90, 0.92)):
        path = folder / f"records/first/lenet-torch-seed{seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make_record(seed, accuracy)))
    text = "before\n<!-- table: {} -->\n{}<!-- end of table -->\nafter\n"
    (folder / "README.md").write_text("no table\n")
    (tmp_path / "README.md").write_text(text.format("study=first", "stale\n"))
    assert update_tables(tmp_path, write=False) == ["README.md"]
    assert "stale" in (tmp_path / "README.md").read_text()
    assert update_tables(tmp_path) == ["README.md"]
    written = (tmp_path / "README.md").read_text()
    assert "stale" not in written and "91.00 ± 1.41 %" in written
    assert written.startswith("before\n") and written.endswith("\nafter\n")
    assert study_table(tmp_path, "first") in written
    assert update_tables(tmp_path) == []
    (tmp_path / "README.md").write_text(text.format("nonsense", ""))
    with pytest.raises(UserError, match="Unknown table.*Received: 'nonsense'"):
        update_tables(tmp_path)


def test_an_untrained_network_has_an_empty_figure(tmp_path):
    row = next(r for r in networks_table(tmp_path).splitlines() if "`lenet`" in r)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["`lenet`", "FashionCNN", "61,706", "28 x 28", "89.00 %", ""]


def test_a_study_repeats_nothing_and_resumes(tmp_path, monkeypatch, capsys):
    commands = []

    def pretend(command):
        commands.append(command)
        runs = Path(command[command.index("--runs") + 1])
        (runs / "run").mkdir(parents=True, exist_ok=True)
        seed = int(command[command.index("--seed") + 1])
        record = json.dumps(make_record(seed, 0.9))
        (runs / "run/record.json").write_text(record)
        return 0

    monkeypatch.setattr(studies, "run_child", pretend)
    begun = tmp_path / "runs/first/lenet-torch-seed1/run/checkpoint.npz"
    begun.parent.mkdir(parents=True)
    begun.touch()
    settings = {"model": "lenet", "options": {}, "recipe": {"epochs": 3}, "seed": 1}
    settings |= {"backend": "torch", "dataset": {"name": "fashion-mnist"}}
    begun.with_name("config.json").write_text(json.dumps(settings))
    places = {"records": tmp_path / "records", "runs": tmp_path / "runs"}
    for _ in range(2):
        kept = repeat("first", "lenet", ["torch"], [0, 1], ["--epochs", "3"], **places)
        assert [record["seed"] for record in kept] == [0, 1]
    assert len(commands) == 2
    assert "--resume" not in commands[0] and "--epochs" in commands[0]
    assert commands[1][-2:] == ["--resume", str(begun.parent)]


def test_a_begun_run_of_other_settings_is_not_gone_on_with(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(studies, "run_child", lambda c: commands.append(c) or 2)
    begun = tmp_path / "runs/first/lenet-torch-seed0/run/checkpoint.npz"
    begun.parent.mkdir(parents=True)
    begun.touch()
    recipe = find_recipe("default", "lenet")
    settings = {"model": "lenet", "options": {}, "seed": 0, "backend": "torch"}
    settings["dataset"] = {"name": "fashion-mnist"}
    for batch, resumed in ((64, False), (recipe.batch_size, True)):
        settings["recipe"] = recipe.replace(batch_size=batch).to_dict()
        begun.with_name("config.json").write_text(json.dumps(settings))
        places = {"records": tmp_path / "records", "runs": tmp_path / "runs"}
        with pytest.raises(UserError):
            repeat("first", "lenet", ["torch"], [0], **places, recipe=recipe)
        assert ("--resume" in commands[-1]) == resumed


def test_a_failing_run_ends_the_study(tmp_path, monkeypatch):
    places = {"records": tmp_path / "records", "runs": tmp_path / "runs"}
    for code, error in ((2, UserError), (130, KeyboardInterrupt)):
        monkeypatch.setattr(studies, "run_child", lambda command: code)  # noqa: B023
        with pytest.raises(error):
            repeat("first", "lenet", ["torch"], [0], **places)
    assert not (tmp_path / "records").exists()
