"""The README's two tables: which runs count, and that variants are named."""

import json

import pytest

from fmkeras.models import model_info
from fmkeras.recipes import find_recipe
from fmkeras.records import study_names
from fmkeras.report.tables.overview import (
    accuracy_table,
    default_runs,
    speed_overview,
)


def keep(root, study, seed, accuracy, backend="torch", **recipe):
    default = find_recipe("default", "lenet").to_dict()
    record = {
        "model": "lenet",
        "parameters": model_info("lenet").parameters,
        "recipe": default | recipe,
        "seed": seed,
        "backend": backend,
        "dataset": {"name": "fashion-mnist"},
        "device": "CPU (two cores)",
        "commit": "0123456789abcdef",
        "precision": recipe.get("precision", "float32"),
        "test": {"accuracy": accuracy},
    }
    path = root / f"saved_models/records/{study}/lenet-{backend}-seed{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return record


def row_of(table, name):
    [row] = [line for line in table.splitlines() if f"`{name}`" in line]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_runs_of_the_most_seeds_count_not_those_of_the_best_figure(tmp_path):
    for seed, accuracy in enumerate((0.90, 0.92, 0.91)):
        keep(tmp_path, "default", seed, accuracy, "tensorflow")
    for seed in range(2):
        keep(tmp_path, "other", seed, 0.99, "jax")
    found = default_runs(tmp_path)
    assert list(found) == ["lenet"]
    assert found["lenet"]["backend"] == "tensorflow"
    assert row_of(accuracy_table(tmp_path), "lenet")[-1] == "91.00 ± 1.00 %"


def test_precision_is_no_change_of_the_recipe_and_epochs_are(tmp_path):
    for seed in range(3):
        keep(tmp_path, "half", seed, 0.9, name="default+", precision="bfloat16")
        keep(tmp_path, "short", seed, 0.5, "jax", epochs=1)
    found = default_runs(tmp_path)
    assert found["lenet"]["backend"] == "torch, bfloat16"
    assert found["lenet"]["mean"] == pytest.approx(0.9)


def test_runs_of_some_images_or_other_options_do_not_count(tmp_path):
    record = keep(tmp_path, "default", 0, 0.9)
    for change in (
        {"dataset": {"name": "fashion-mnist", "train": 900, "validation": 100}},
        {"options": {"dropout": 0.1}},
        {"start": {"sha256": "0"}},
    ):
        path = tmp_path / "saved_models/records/default/lenet-torch-seed1.json"
        path.write_text(json.dumps(record | {"seed": 1} | change))
        assert default_runs(tmp_path)["lenet"]["seeds"] == [0]


def test_a_speed_record_is_no_run_of_a_study(tmp_path):
    folder = tmp_path / "saved_models/records/speedrun"
    folder.mkdir(parents=True)
    (folder / "94-torch-0123456.json").write_text('{"goal": {}, "runs": []}')
    assert default_runs(tmp_path) == {}
    assert study_names(folder.parent) == []


def test_a_recipe_or_network_of_the_past_does_not_count(tmp_path):
    records = tmp_path / "saved_models/records"
    keep(tmp_path, "default", 0, 0.9, learning_rate=0.5)
    assert default_runs(tmp_path) == {}
    record = keep(tmp_path, "default", 0, 0.9)
    assert default_runs(tmp_path)
    path = records / "default/lenet-torch-seed0.json"
    del record["recipe"]["erasing"]  # a record from before that field
    path.write_text(json.dumps(record))
    assert default_runs(tmp_path)
    path.write_text(json.dumps(record | {"parameters": 1}))
    assert default_runs(tmp_path) == {}


def test_a_case_of_a_study_is_no_run_of_the_recipe(tmp_path):
    record = keep(tmp_path, "study-default-lenet", 0, 0.9)
    path = tmp_path / "saved_models/records/study-default-lenet/lenet-torch-seed0.json"
    del record["test"]
    path.write_text(json.dumps(record))
    assert default_runs(tmp_path) == {}
    keep(tmp_path, "default", 0, 0.8)
    assert default_runs(tmp_path)["lenet"]["mean"] == 0.8


def test_a_saved_model_is_a_run_too_and_the_same_run_once(tmp_path):
    card = tmp_path / "saved_models/lenet.json"
    record = keep(tmp_path, "default", 0, 0.9)
    card.write_text(json.dumps(record))
    assert row_of(accuracy_table(tmp_path), "lenet")[-1] == "90.00 %"
    card.write_text(json.dumps(record | {"seed": 1, "test": {"accuracy": 0.92}}))
    assert row_of(accuracy_table(tmp_path), "lenet")[-1] == "91.00 ± 1.41 %"


def test_the_head_counts_the_protocols_that_were_run(tmp_path):
    def head():
        return accuracy_table(tmp_path).splitlines()[0]

    assert "ours, by its settings (0 of 17 run)" in head()
    published = find_recipe("published", "lenet").to_dict()
    keep(tmp_path, "published", 0, 0.9, **published)
    assert "ours, by its settings (1 of 17 run)" in head()
    assert row_of(accuracy_table(tmp_path), "lenet")[-2] == "90.00 %"


def test_networks_of_this_project_have_no_source_to_be_compared_with(tmp_path):
    table = accuracy_table(tmp_path)
    assert row_of(table, "fmk_100k")[2:] == ["this project", "", "", "not run"]
    assert "`conv_pool`" not in table  # a shape of studies, of any size


def test_the_overview_of_speed_leads_with_a_fixed_variant():
    def rates(**medians):
        return {name.replace("_", "-"): {"median": m} for name, m in medians.items()}

    entry = {
        "train": rates(ours_torch=20, ours_torch_bfloat16=10, pytorch_tensors=10),
        "predict": rates(ours_torch=30, pytorch_tensors=10),
    }
    entry["train"]["pytorch-tuned"] = {"median": 40}
    record = {
        "settings": {
            "batch_size": 128,
            "device": "cpu",
            "contestants": ["ours-torch", "ours-torch-bfloat16", "pytorch-tuned"],
        },
        "machine": {"cores": 2},
        "models": {"lenet": entry, "mlp": entry},
    }
    lines = speed_overview(record).splitlines()
    assert lines[2] == (
        "| torch, float32 | plain PyTorch loop | 2.00 (2.00 to 2.00) | "
        "3.00 (3.00 to 3.00) |"
    )
    assert "| torch, bfloat16 | tuned PyTorch loop | 0.25" in lines[-3]
    assert len([line for line in lines if line.startswith("|")]) <= 2 + 8
    assert "over 2 networks" in lines[-1]
    assert "CPU with 2 cores" in lines[-1]
    # Where there is no hardware for bfloat16, the tuned loop has float32 too.
    del entry["train"]["ours-torch-bfloat16"]
    record["settings"]["contestants"].remove("ours-torch-bfloat16")
    assert "| torch, float32 | tuned PyTorch loop | 0.50" in speed_overview(record)
