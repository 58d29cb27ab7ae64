"""Studies: cases within their limits, trained on validation images alone."""

import json
import math

import pytest

from fmkeras.datasets import load_dataset
from fmkeras.errors import UserError
from fmkeras.experiments.studies import STUDIES, Case, Study, run_study
from fmkeras.models.registry import build_graph
from fmkeras.recipes import Recipe
from fmkeras.report.tables.studies import (
    additions_table,
    comparison_table,
    rates_table,
)

LIMITS = {"shapes-100k": 10**5, "shapes-1m": 10**6, "shapes-10m": 10**7}
TINY = Study(
    "Which?",
    Recipe(epochs=1, batch_size=20, keep="last", precision="float32", compile="no"),
    {
        "as it is": Case("logistic_regression"),
        "hidden, 8": Case("mlp", {"hidden_units": (8,)}, {"label_smoothing": 0.1}),
    },
)
DIVERGING = {"optimizer": "sgd", "learning_rate": 1e30}


@pytest.mark.parametrize("name", STUDIES)
def test_shapes_are_as_large_as_the_study_says(name):
    for case in STUDIES[name].cases.values():
        STUDIES[name].recipe.replace(**case.changes)
        if name in LIMITS:
            model = build_graph(case.model, **case.options)
            size = sum(math.prod(v.shape) for v in model.trainable_variables)
            assert 0.85 * LIMITS[name] < size <= LIMITS[name], (case, size)


def test_a_study_keeps_records_without_the_test_images(tmp_path, monkeypatch):
    monkeypatch.setitem(STUDIES, "tiny", TINY)
    dataset = load_dataset("garments", train_size=200, test_size=20)
    lines = []

    def run(**further):
        return run_study(
            "tiny",
            dataset,
            records=tmp_path / "saved_models/records",
            runs=tmp_path / "runs",
            log=lines.append,
            **further,
        )

    records = run(seeds=(0, 1), labels=["as it is"]) + run(seeds=(0, 1))
    assert [record["case"] for record in records[2:]] == list(TINY.cases) * 2
    assert records[:2] == [r for r in records[2:] if r["case"] == "as it is"]
    for record in records:
        assert "test" not in record and "accuracy" in record["validation"]
    assert any("kept from before" in line for line in lines)
    files = sorted(tmp_path.glob("saved_models/records/study-tiny/*.json"))
    assert [file.name for file in files] == [
        "as-it-is-seed0.json",
        "as-it-is-seed1.json",
        "hidden-8-seed0.json",
        "hidden-8-seed1.json",
    ]
    assert json.loads(files[2].read_text())["recipe"]["label_smoothing"] == 0.1
    table = comparison_table(tmp_path, "tiny")
    rows = {line.split(" | ")[0].strip("| "): line for line in table.splitlines()[-2:]}
    assert " ± " in rows["hidden, 8"] and " ± " not in rows["as it is"]
    assert "to 'as it is'" in table
    changed = Study(TINY.question, TINY.recipe.replace(batch_size=10), TINY.cases)
    monkeypatch.setitem(STUDIES, "tiny", changed)
    with pytest.raises(UserError, match="another network, recipe, data set"):
        run()
    run(epochs=2, labels=["as it is"])
    assert (tmp_path / "saved_models/records/study-tiny-2-epochs").exists()


def test_a_case_that_diverges_is_passed_over(tmp_path, monkeypatch):
    cases = {"wild": Case("linear", {}, DIVERGING), **TINY.cases}
    monkeypatch.setitem(STUDIES, "tiny", Study("Which?", TINY.recipe, cases))
    dataset = load_dataset("garments", train_size=200, test_size=20)
    lines = []
    records = run_study(
        "tiny", dataset, records=tmp_path, runs=tmp_path / "runs", log=lines.append
    )
    assert [record["case"] for record in records] == list(TINY.cases)
    assert any(line.startswith("wild, seed 0: passed over.") for line in lines)


def test_unknown_studies_and_cases():
    with pytest.raises(UserError, match="expected one of: shapes-100k"):
        run_study("none", None)
    with pytest.raises(UserError, match="no such case"):
        run_study("shapes-1m", None, labels=["cubic"])


def test_additions_to_default_recipes_are_differences_of_the_same_seeds(tmp_path):
    assert additions_table(tmp_path).startswith("No record yet")
    folder = tmp_path / "saved_models/records/study-default-lenet"
    folder.mkdir(parents=True)
    found = {"as it is": (0.9, 0.92), "erasing a quarter": (0.91, 0.925, 0.5)}
    for case, accuracies in found.items():
        for seed, accuracy in enumerate(accuracies):
            facts = {"case": case, "seed": seed, "epochs": 40}
            facts["validation"] = {"accuracy": accuracy}
            (folder / f"{case}-{seed}.json").write_text(json.dumps(facts))
    head, _, row = additions_table(tmp_path).splitlines()
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert row.startswith("| `lenet` | 91.00 % |")
    assert cells["erasing a quarter"] == "+0.75 ± 3.18"
    assert cells["smoothing 0.1"] == ""
    assert row.endswith(" | 2 | 40 |")


def test_rates_stand_in_the_order_of_their_size(tmp_path):
    assert rates_table(tmp_path).startswith("No record yet")
    folder = tmp_path / "saved_models/records/study-rates-lenet"
    folder.mkdir(parents=True)
    for rate, seed, accuracy in (
        ("0.016", 0, 0.9),
        ("0.016", 1, 0.92),
        ("0.002", 0, 0.8),
    ):
        facts = {"case": rate, "seed": seed, "epochs": 40}
        facts["validation"] = {"accuracy": accuracy}
        (folder / f"{rate}-{seed}.json").write_text(json.dumps(facts))
    row = rates_table(tmp_path).splitlines()[-1]
    assert row == "| `lenet` | 80.00 % |  |  | 91.00 % (2 seeds) |  | 40 |"


def test_a_record_of_another_backend_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setitem(STUDIES, "tiny", TINY)
    dataset = load_dataset("garments", train_size=200, test_size=20)
    places = {"records": tmp_path, "runs": tmp_path / "runs", "labels": ["as it is"]}
    run_study("tiny", dataset, **places)
    path = tmp_path / "study-tiny/as-it-is-seed0.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"backend": "another"}))
    with pytest.raises(UserError, match="data set or backend"):
        run_study("tiny", dataset, **places)
