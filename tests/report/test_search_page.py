"""What a search's page tells: computed apart from how it is drawn."""

import json

import pytest
from support.report_models import search_record, small_dataset

from fmkeras.report.plots.search import (
    coordinates_figure,
    epochs_figure,
    history_figure,
    importances_figure,
)
from fmkeras.report.site.pages import Site
from fmkeras.report.site.search_info import importances, read_search, read_searches
from fmkeras.report.site.search_page import draw_search, search_page_name


def write(path, record):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


@pytest.fixture
def info(tmp_path):
    return read_search("first", write(tmp_path / "tune-first.json", search_record()))


def test_a_record_is_read_as_choices_trials_and_facts(info):
    scales = {choice.name: choice.scale for choice in info.choices}
    assert scales["learning_rate"] == "log" and scales["optimizer"] == "values"
    assert [choice.texts for choice in info.choices][2] == ["64-32", "128"]
    assert (len(info.trials), len(info.finished), info.best) == (14, 12, "05")
    facts = dict(info.facts)
    assert facts["Trials finished"] == "12 of 14"
    assert facts["Best validation accuracy"] == "90.50 %"
    assert facts["Trials failed"] == "1"


def test_the_best_so_far_never_falls(info):
    each, best = history_figure(info)["data"]
    assert len(each["x"]) == 12 and "03" not in each["x"]
    assert best["y"] == sorted(best["y"]) and best["y"][-1] == pytest.approx(90.5)
    assert "learning rate" in each["text"][0] and "90.50 %" in each["text"][3]


def test_every_trial_has_a_line_by_epoch_and_the_best_lies_on_top(info):
    lines = epochs_figure(info)["data"]
    assert {line["name"] for line in lines} == {t.name for t in info.trials}
    assert lines[-1]["name"] == "05"
    assert lines[-1]["y"][-1] == pytest.approx(90.5)


def test_coordinates_hold_every_kind_of_choice(info):
    [lines] = coordinates_figure(info)["data"]
    axes = {axis["label"]: axis for axis in lines["dimensions"]}
    assert list(axes) == [
        *(choice.label for choice in info.choices),
        "accuracy, %",
    ]
    rate = axes["learning rate"]
    assert rate["range"] == [min(rate["values"]), max(rate["values"])]
    assert max(rate["values"]) == pytest.approx(-1)
    # Those without the choice lie below those with it, and the mark says so.
    momentum = axes["momentum"]
    assert momentum["ticktext"] == ["none", "0", "0.9"]
    assert min(momentum["values"]) < 0 and set(momentum["values"]) > {0.0, 1.0}
    assert all(len(axis["values"]) == 12 for axis in axes.values())


def test_importances_find_what_decides(info):
    names = [choice.name for choice, _ in info.importances]
    assert names[0] == "learning_rate"
    assert sum(share for _, share in info.importances) == pytest.approx(1)
    assert importances_figure(info)["data"][0]["x"][-1] > 50
    assert importances(info.choices, info.finished[:4]) == []


def test_a_search_that_has_finished_nothing_has_a_page(tmp_path):
    record = search_record(3) | {"best": None}
    for row in record["trials"]:
        row |= {"state": "running", "val_accuracy": None, "val_accuracies": []}
    page = draw_search(read_search("x", write(tmp_path / "tune-x.json", record)))
    assert page["figures"] == {} and len(page["rows"]) == 3 and page["best"] is None


def test_searches_of_runs_stand_beside_those_on_record(tmp_path, capsys):
    write(tmp_path / "records/tune-first.json", search_record())
    for name in ("first", "second"):
        write(tmp_path / f"runs/a/tune-{name}/trials.json", search_record(6))
    write(tmp_path / "runs/tune-bad/trials.json", {"trials": 3})
    found = read_searches(tmp_path / "records", [tmp_path / "runs"])
    assert [(one.name, len(one.trials)) for one in found] == [
        ("first", 14),
        ("second", 6),
    ]
    assert "tune-bad/trials.json' is damaged" in capsys.readouterr().err


def test_a_page_name_is_one_of_a_file():
    assert search_page_name("a b/c") == "search-a~20~b~2f~c.html"


def test_coordinates_hold_more_values_than_finished_trials(tmp_path):
    record = search_record(4)
    names = [f"optimizer {number}" for number in range(4)]
    record["space"]["hyperparameters"] = {"optimizer": names}
    for name, trial in zip(names, record["trials"], strict=True):
        trial["values"] = {"optimizer": name}
    found = read_search("few", write(tmp_path / "tune-few.json", record))
    assert len(found.finished) == 2
    [lines] = coordinates_figure(found)["data"]
    axis = lines["dimensions"][0]
    assert axis["ticktext"] == names and axis["values"] == [0, 1]


def test_the_heat_map_of_any_name_is_found_by_its_page(tmp_path):
    record = write(tmp_path / "tune-50% #1?.json", search_record())
    record.with_suffix(".png").write_bytes(b"picture")
    site = Site(tmp_path / "site", small_dataset())
    site.write_searches([read_search("50% #1?", record)])
    page = tmp_path / "site" / search_page_name("50% #1?")
    assert page.with_suffix(".png").read_bytes() == b"picture"
    assert f'src="{page.stem}.png"' in page.read_text()
