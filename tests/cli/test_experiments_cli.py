"""The commands that train many times, from the command line to their files."""

import json
import re
from pathlib import Path

import pytest

from fmkeras.__main__ import main
from fmkeras.recipes import find_recipe

ROOT = Path(__file__).parents[2]
GARMENTS = ["--data", "garments", "--train-size", "300", "--test-size", "60"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Records of the tests are no records of the project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def test_a_study_keeps_a_record_of_each_case_and_prints_them(folder, capsys):
    words = ["study", "--name", "default-linear", "--epochs", "1", "--seeds", "0", "1"]
    assert main([*words, "--cases", "as it is", "smoothing 0.1", *GARMENTS]) == 0
    records = folder / "saved_models/records/study-default-linear-1-epochs"
    names = sorted(path.name for path in records.iterdir())
    assert names == [
        f"{case}-seed{seed}.json"
        for case in ("as-it-is", "smoothing-0-1")
        for seed in (0, 1)
    ]
    one = json.loads((records / names[2]).read_text())
    assert (one["recipe"]["label_smoothing"], one["recipe"]["epochs"]) == (0.1, 1)
    assert "test" not in one
    lines = re.findall(
        r"^(0\.\d{4})  (.*), 7,9\d\d weights", capsys.readouterr().out, re.M
    )
    assert len(lines) == 4 and lines == sorted(lines, reverse=True, key=lambda x: x[0])
    # Nothing is trained again.
    assert main([*words, "--cases", "as it is", *GARMENTS]) == 0
    assert "kept from before" in capsys.readouterr().out


def test_repeat_hands_on_what_is_asked(monkeypatch, capsys):
    seen = []

    def repeat(*arguments, recipe, is_asked):
        seen.append((arguments, recipe, is_asked))
        return []

    monkeypatch.setattr("fmkeras.cli.experiments.run_repeat", repeat)
    words = ["repeat", "--model", "mlp", "--name", "a", "--backends", "torch", "jax"]
    words += ["--seeds", "3", "4", "--epochs", "2", "--", "--dropout", "0.1"]
    assert main(words) == 0
    [(arguments, recipe, is_asked)] = seen
    flags = ["--epochs", "2", "--dropout", "0.1"]
    assert arguments == ("a", "mlp", ["torch", "jax"], [3, 4], flags)
    assert recipe == find_recipe("default", "mlp").replace(epochs=2)
    data = {"name": "fashion-mnist", "source": "data"}
    assert is_asked({"dataset": data, "options": {"dropout": 0.1}})
    assert not is_asked({"dataset": data, "options": {}})


@pytest.mark.parametrize("left", [0, 3])
def test_a_campaign_says_what_is_left(left, monkeypatch, capsys):
    seen = []

    def run(commands, out, minutes, log):
        seen.append((commands, out, minutes))
        return left

    monkeypatch.setattr("fmkeras.experiments.campaign.run_campaign", run)
    words = ["campaign", "--part", "large", "--device", "cpu", "--minutes", "3"]
    assert main([*words, "--out", "here"]) == (1 if left else 0)
    [(commands, out, minutes)] = seen
    assert (out, minutes) == ("here", 3) and len(commands) == 7
    printed = capsys.readouterr().out
    assert f"Finished: {7 - left} of 7 commands." in printed


def test_a_part_of_parity_is_kept_where_it_is_asked_for(folder, capsys):
    words = ["parity", "--model", "linear", "--backends", "torch", "--json", "a.json"]
    assert main(words) == 0
    [row] = json.loads((folder / "a.json").read_text())["results"]
    assert (row["name"], row["backend"]) == ("linear", "torch")
    assert not (folder / "saved_models").exists()
    assert "linear" in capsys.readouterr().out
