"""What a search leaves to look at, and its record: from rows, without training."""

import json

import matplotlib.image
import numpy as np
import pytest
from PIL import Image
from support.tuning import GRID, RANGES, search_arguments

from fmkeras.report.doc_images import sources_of
from fmkeras.report.tables.tuning import tuning_table
from tuner.cli import build_parser, make_settings
from tuner.results import plots as pictures
from tuner.results.plots import (
    COORDINATES,
    HEAT_MAP,
    MAP,
    TIMES,
    draw_pictures,
    panels,
)
from tuner.results.ranking import ranking_text
from tuner.results.record import keep_record


def settings_of(tmp_path, space, *flags):
    words = search_arguments(tmp_path, "x", space, *flags)
    return make_settings(build_parser().parse_args(words))


def row(number, values, accuracy, state="finished"):
    return {
        "trial": str(number),
        "state": state,
        "reason": None if accuracy else "out of memory",
        "values": values,
        "val_accuracy": accuracy,
        "val_accuracies": [accuracy],
        "epochs": 1,
        "seconds": 3.0 + number,
        "examples_per_second": 1234.5,
        "device": "CPU (two cores)" if accuracy else None,
        "commit": "0123456789" if accuracy else None,
    }


@pytest.fixture
def written(monkeypatch):
    """The texts of each picture, by its name."""
    texts = {}
    real = pictures.write_figure

    def write(figure, path):
        real(figure, path)
        texts[path.name] = [
            [text.get_text() for text in axes.texts] + [axes.get_title()]
            for axes in figure.axes
        ]

    monkeypatch.setattr(pictures, "write_figure", write)
    return texts


def test_the_heat_map_has_the_figures_in_its_cells(tmp_path, written):
    settings = settings_of(tmp_path, GRID)
    rows = [
        row(0, {"batch_size": 45, "learning_rate": 0.01}, 0.8712),
        row(1, {"batch_size": 45, "learning_rate": 0.001}, None, "failed"),
        row(2, {"batch_size": 90, "learning_rate": 0.01}, 0.9),
    ]
    made = draw_pictures(tmp_path, settings, rows)
    assert {path.name for path in made} == {HEAT_MAP, TIMES}
    (cells,) = written[HEAT_MAP]
    title = "logistic_regression: validation accuracy, %"
    assert sorted(cells) == ["87.12", "90.00", "failed", title]
    assert matplotlib.image.imread(made[0]).ndim == 3


def test_each_further_choice_has_a_panel(tmp_path, written):
    space = {"hyperparameters": GRID["hyperparameters"] | {"flip": [False, True]}}
    settings = settings_of(tmp_path, space)
    assert panels(settings) == [{"flip": False}, {"flip": True}]
    values = {"batch_size": 45, "learning_rate": 0.01}
    rows = [row(0, values | {"flip": False}, 0.8), row(1, values | {"flip": True}, 0.9)]
    draw_pictures(tmp_path, settings, rows)
    assert written[HEAT_MAP] == [["80.00", "flip False"], ["90.00", "flip True"]]
    assert COORDINATES in written


def test_a_range_has_no_heat_map_but_coordinates(tmp_path, written):
    space = {
        "hyperparameters": RANGES["hyperparameters"]
        | {"optimizer": ["adamw", "sgd"]}
        | {"momentum": {"min": 0.5, "max": 0.9, "when": {"optimizer": "sgd"}}}
    }
    settings = settings_of(tmp_path, space)
    rows = [
        row(0, {"batch_size": 45, "learning_rate": 0.01, "optimizer": "adamw"}, 0.8),
        row(
            1,
            {
                "batch_size": 90,
                "learning_rate": 0.001,
                "optimizer": "sgd",
                "momentum": 0.7,
            },
            0.9,
        ),
    ]
    made = draw_pictures(tmp_path, settings, rows)
    assert {path.name for path in made} == {COORDINATES, TIMES}
    assert {"45", "90", "sgd", "80.00 %", "90.00 %"} <= set(written[COORDINATES][0])


@pytest.mark.parametrize(
    "choices",
    [
        {
            "optimizer": ["adamw", "sgd"],
            "weight_decay": {"min": 0.01, "max": 0.1, "when": {"optimizer": "adamw"}},
        },
        {
            "batch_size": [45, 90],
            "optimizer": ["adamw", "sgd"],
            "learning_rate": {"values": [0.01, 0.1], "when": {"optimizer": "sgd"}},
        },
    ],
)
def test_a_choice_that_some_trials_lack_leaves_a_gap(tmp_path, written, choices):
    settings = settings_of(tmp_path, {"hyperparameters": choices})
    every = {"batch_size": 45, "weight_decay": 0.02, "learning_rate": 0.1}
    rows = []
    for number, optimizer in enumerate(("adamw", "sgd")):
        values = {k: v for k, v in every.items() if k in choices}
        values["optimizer"] = optimizer
        kept = {h.name: h.when for h in settings.space.hyperparameters}
        for name in list(values):
            if any(values[k] not in v for k, v in kept[name].items()):
                del values[name]
        rows.append(row(number, values, 0.8 + number / 10))
    made = draw_pictures(tmp_path, settings, rows)
    assert {path.name for path in made} == {COORDINATES, TIMES}
    assert {"80.00 %", "90.00 %"} <= set(written[COORDINATES][0])


def test_two_ranges_have_a_map_of_their_accuracies(tmp_path, written):
    settings = settings_of(tmp_path, RANGES)
    rates = (1e-4, 1e-3, 0.05, 0.09)
    rows = [
        row(n, {"batch_size": 45 * (1 + n % 2), "learning_rate": rate}, 0.8 + n / 100)
        for n, rate in enumerate(rates)
    ]
    made = draw_pictures(tmp_path, settings, rows)
    assert {path.name for path in made} == {MAP, TIMES}
    title = "logistic_regression: validation accuracy"
    assert written[MAP][0] == ["83.00 %", title]
    assert matplotlib.image.imread(tmp_path / MAP).std() > 0


def test_coordinates_have_a_title_plain_values_and_marks_apart(tmp_path, written):
    units = [[512, 256], [128]]
    rates = [1e-5 * n for n in range(1, 41)]
    space = {
        "hyperparameters": {
            "hidden_units": units,
            "learning_rate": rates,
            "batch_size": [45, 90],
        }
    }
    words = search_arguments(tmp_path, "x", space)
    words[words.index("--model") + 1] = "mlp"
    settings = make_settings(build_parser().parse_args(words))
    rows = [
        row(n, {"hidden_units": u, "learning_rate": 1e-5, "batch_size": 45}, 0.8 + n)
        for n, u in enumerate(units)
    ]
    draw_pictures(tmp_path, settings, rows)
    *texts, title = written[COORDINATES][0]
    assert {"512-256", "128", "0.00001"} <= set(texts)
    assert title.startswith("mlp: 2 trials of")
    assert sum(text.startswith("0.0") for text in texts) < 21


def test_the_ranking_has_the_best_first(tmp_path):
    settings = settings_of(tmp_path, GRID)
    values = {"batch_size": 45, "learning_rate": 1e-5}
    rows = [row(n, values, 0.8 + n / 100) | {"kept_epoch": 2} for n in range(12)]
    rows.append(row(12, values, None, "failed"))
    lines = ranking_text(rows, settings).splitlines()
    assert lines[2].split() == (
        ["rank", "trial", "val_accuracy", "epoch", "batch_size", "learning_rate"]
    )
    assert lines[3].split() == ["1", "11", "0.9100", "2", "45", "0.00001"]
    assert lines[-1] == "and 2 more, in trials.csv"
    assert ranking_text(rows[-1:], settings) == ""


def test_the_record_of_a_search_makes_its_table(tmp_path):
    rows = [
        row(0, {"batch_size": 45, "learning_rate": 0.01}, 0.8712),
        row(1, {"batch_size": 90, "learning_rate": 0.01}, 0.9),
        row(2, {"batch_size": 90, "learning_rate": 0.001}, None, "failed"),
    ]
    content = settings_of(tmp_path, GRID).to_dict() | {
        "planned": 4,
        "trials": rows,
    }
    folder = tmp_path / "search"
    folder.mkdir()
    (folder / "trials.json").write_text(json.dumps(content))
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(folder / HEAT_MAP)
    record, picture = keep_record(folder, "mine", tmp_path / "saved")
    assert picture == tmp_path / "saved/records/tune-mine.png"
    np.testing.assert_array_equal(np.asarray(Image.open(picture)), np.eye(4))
    assert list(sources_of(picture)) == ["record tune-mine.json"]
    lines = tuning_table(json.loads(record.read_text())).splitlines()
    assert (
        "2 of 4 trials finished, 1 failed" in lines[0]
        and "CPU (two cores), commit 0123456." in lines[0]
    )
    assert lines[2].startswith("| batch size | learning rate | validation accuracy |")
    assert lines[4] == "| 90 | 0.01 | 90.00 % | 1 | 1,234 |"
    assert lines[5] == "| 45 | 0.01 | 87.12 % | 1 | 1,234 |"
    # All epochs of a trial may be those of the one that it went on from.
    none = [rows[1] | {"seconds": 0.0, "examples_per_second": None}]
    lines = tuning_table(content | {"trials": none}).splitlines()
    assert lines[4] == "| 90 | 0.01 | 90.00 % | 1 |  |"
