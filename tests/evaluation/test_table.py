"""Evaluations and comparisons as tables: CSV rows, and headings that are whole."""

from pathlib import Path

import numpy as np

from fmkeras.evaluation.compare import compare
from fmkeras.evaluation.evaluate import evaluate_outputs
from fmkeras.evaluation.html import comparison_html
from fmkeras.evaluation.names import shown_names
from fmkeras.evaluation.table import comparison_rows, evaluation_rows
from fmkeras.evaluation.text import comparison_text, summary_text
from fmkeras.labels import CLASS_NAMES

LABELS = np.arange(200) % 10


def outputs(seed):
    generator = np.random.default_rng(seed)
    scores = np.eye(10)[LABELS] + generator.normal(size=(200, 10))
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def content(name, seed):
    evaluation = evaluate_outputs(outputs(seed), LABELS, 1.0, CLASS_NAMES)
    error = {"calibration": {"expected_calibration_error": 0.1}}
    return {"model": name, "dataset": "garments", **evaluation.to_dict(), **error}


def test_a_row_a_class_and_one_of_all():
    one, two = content("saved_models/cnn.keras", 0), content("mlp", 1)
    rows = evaluation_rows([one, two])
    assert len(rows) == 22 and len({tuple(row) for row in rows}) == 1
    assert [row["class"] for row in rows[:11]] == ["all", *CLASS_NAMES]
    assert rows[0]["model"] == "cnn" and rows[0]["accuracy"] == one["accuracy"]
    assert rows[0]["support"] == 200
    shirt = rows[11 + 1 + CLASS_NAMES.index("Shirt")]
    assert shirt["f1"] == two["per_class"]["Shirt"]["f1"]
    assert shirt["accuracy"] is None


def test_a_comparison_cuts_no_heading():
    predictions = {
        name: outputs(seed).argmax(1)
        for seed, name in enumerate(("a", "saved_models/a_long_name.keras", "b"))
    }
    found = compare(predictions, LABELS, class_names=CLASS_NAMES)
    lines = comparison_text(found, []).splitlines()
    start = lines.index("Agreement: the share of images with the same prediction")
    table = lines[start + 1 : start + 5]
    names = [Path(name).stem for name in found.names]
    assert table[0].split() == names and "a_long_name" in names
    assert len({len(line) for line in table}) == 1
    start = lines.index("Recall, class by class: the first minus the second")
    table = lines[start + 1 : start + 12]
    pairs = [f"{pair.first} - {pair.second}" for pair in found.pairs]
    assert table[0].split("  ")[-3:] == [
        pair.replace("saved_models/", "").replace(".keras", "") for pair in pairs
    ]
    assert [line[2:13].strip() for line in table[1:]] == list(CLASS_NAMES)
    assert len({len(line) for line in table}) == 1
    rows = comparison_rows(found)
    assert [(row["first"], row["second"]) for row in rows] == (
        [(names[0], names[1]), (names[0], names[2]), (names[1], names[2])]
    )


def test_the_lines_of_several_models_stand_under_their_headings():
    lines = summary_text([content("a_name_longer_than_any_column", 0)]).splitlines()
    assert len(lines[0]) == len(lines[1])
    assert lines[0].index("loss") == lines[1].index(lines[1].split()[-2])


def test_names_that_differ_are_shown_different():
    assert shown_names(["saved/cnn.keras", "w/o dropout", "lenet-lr0.01"]) == {
        "saved/cnn.keras": "cnn",
        "w/o dropout": "w/o dropout",
        "lenet-lr0.01": "lenet-lr0.01",
    }
    same = ["a/lenet.keras", "b/lenet.keras", "lr0.01.keras", "lr0.02.keras"]
    assert list(shown_names(same).values()) == [*same[:2], "lr0.01", "lr0.02"]
    assert list(shown_names(["net", "a/net.keras"]).values()) == ["net", "a/net.keras"]


def test_every_table_shows_names_whole():
    names = ["a/net.keras", "b/net.keras", "lr0.01", "w/o dropout"]
    predictions = {name: outputs(seed).argmax(1) for seed, name in enumerate(names)}
    found = compare(predictions, LABELS, class_names=CLASS_NAMES)
    for text in (comparison_text(found, []), comparison_html(found)):
        assert all(name in text for name in names)
    pairs = [(pair.first, pair.second) for pair in found.pairs]
    assert [(r["first"], r["second"]) for r in comparison_rows(found)] == pairs
    contents = [content(name, seed) for seed, name in enumerate(names)]
    assert {row["model"] for row in evaluation_rows(contents)} == set(names)
    assert all(name in summary_text(contents) for name in names)
