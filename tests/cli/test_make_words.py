"""Messages in make's words where make was used."""

import json
from pathlib import Path

import pytest

from fmkeras.__main__ import main
from fmkeras.artifacts.lookup import best_model
from fmkeras.cli.make_words import in_make_words, in_own_words
from fmkeras.errors import UserError


@pytest.fixture
def by_make(monkeypatch):
    monkeypatch.setenv("FMKERAS_USED_BY", "make")


MESSAGES = {
    "give --data-dir (make: DATA_DIR=).": "give DATA_DIR=.",
    "argument --batch-size/--batch: expected": "argument BATCH: expected",
    "a; see fmkeras train --help": "a; see make help",
    "lower --l2 or --epochs": "lower --l2 or EPOCHS",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_flags_become_variables(by_make, message):
    assert in_make_words(message) == MESSAGES[message]


@pytest.mark.parametrize("message", MESSAGES)
def test_flags_stay_flags_for_who_types_them(monkeypatch, message):
    monkeypatch.delenv("FMKERAS_USED_BY", raising=False)
    assert in_make_words(message) == message


def test_training_without_a_model_lists_the_models(by_make, capsys):
    assert main(["train"]) == 2
    error = capsys.readouterr().err
    assert "MODEL=NAME" in error and "--model" not in error
    assert "lenet," in error and "googlenet" in error and error.count("\n") == 1


def test_the_best_saved_model_is_chosen_on_validation_images(tmp_path):
    accuracies = {}
    for path in Path("saved_models").glob("*.keras"):
        card = json.loads(path.with_suffix(".json").read_text())
        # None of a training on all images.
        accuracies[path.stem] = card.get("validation", {}).get("accuracy") or 0
    best = best_model("saved_models")
    assert len(accuracies) > 3 and accuracies[best] == max(accuracies.values()) > 0
    with pytest.raises(UserError, match="no model of fashion-mnist"):
        best_model(tmp_path)


def test_the_tuner_speaks_as_who_called_it(monkeypatch):
    """It is a process of its own, called `python -m tuner`."""
    monkeypatch.setattr("sys.argv", ["/x/tuner/__main__.py"])
    monkeypatch.delenv("FMKERAS_USED_BY", raising=False)
    command = "make train MODEL=cnn SEED=3"
    assert in_own_words(command) == command
    monkeypatch.setenv("FMKERAS_USED_BY", "fmkeras")
    assert in_own_words(command) == "fmkeras train --model cnn --seed 3"
    worker = "make tune-worker CHIEF=HOST:8765 'RESUME=my runs/tune-a'"
    own = "fmkeras tune worker --chief HOST:8765 --resume 'my runs/tune-a'"
    assert in_own_words(worker) == own
    monkeypatch.setenv("FMKERAS_USED_BY", "make")
    assert in_own_words(command) == command
