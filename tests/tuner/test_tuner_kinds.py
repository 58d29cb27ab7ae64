"""Every kind of search survives a kill at each moment; training is stood in for.

The stand-in gives figures that depend on the recipe alone, so that what is tested
here, the choice and the count of trials, takes no time.
"""

import csv
import json
import random
from types import SimpleNamespace

import pytest
from support.tuning import GRID, RANGES, figures, search, search_arguments

from fmkeras.errors import CannotWrite
from fmkeras.files.locks import Locked
from tuner import oracles
from tuner import search as searching
from tuner.results import plots as pictures
from tuner.results import summary
from tuner.trials import files as trial_files
from tuner.trials import run as trials

KINDS = {
    "grid": (GRID, ()),
    "random": (RANGES, ("--trials", "6")),
    "bayesian": (RANGES, ("--trials", "9")),
    "hyperband": (RANGES, ("--epochs", "9")),
}
# Another one makes other figures of the same recipes.
SALT = ""


class Killed(BaseException):
    """A kill -9 as the program would see it: it ends where it is."""


@pytest.fixture
def trained(monkeypatch):
    """Stand in for training; return the recipes it was asked for."""
    recipes = []

    def fit(model, recipe, dataset, *, folder, **further):
        recipes.append(recipe)
        draws = random.Random(f"{SALT}{recipe.learning_rate} {recipe.batch_size}")
        history = [
            {
                "epoch": epoch + 1,
                "val_accuracy": draws.random(),
                "val_loss": draws.random(),
                "seconds": 2.0,
                "examples_per_second": 100.0,
            }
            for epoch in range(recipe.epochs)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "history.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, history[0])
            writer.writeheader()
            writer.writerows(history)
        (folder / "checkpoint.npz").write_text("")
        (folder / "checkpoint-previous.npz").write_text("")
        config = {"model": model, "options": {}, "recipe": {}, "seed": 0}
        config |= {"backend": "torch", "dataset": {"name": "garments"}}
        (folder / "config.json").write_text(json.dumps(config))
        kept = max(range(recipe.epochs), key=lambda e: history[e]["val_accuracy"]) + 1
        record = {"parameters": 1, "device": "none", "commit": None}
        return SimpleNamespace(history=history, kept_epoch=kept, record=record)

    monkeypatch.setattr(trials, "fit", fit)
    # It collects garbage, for which there is none here.
    monkeypatch.setattr(trials.keras.utils, "clear_session", lambda: None)
    monkeypatch.setattr(pictures, "draw_pictures", lambda *arguments: [])
    return recipes


def arguments_of(kind, folder, name):
    space, flags = KINDS[kind]
    return search_arguments(folder, name, space, "--search", kind, *flags)


MOMENTS = [
    (trial_files, "write_plan"),
    (trial_files, "write_outcome"),
    (searching.Search, "run_trial"),
    (oracles.DurableOracle, "end_trial"),
    (oracles.DurableOracle, "save"),
    (oracles.DurableOracle, "score_trial"),
    (summary, "write_json"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_moment_no_trial_is_lost_or_counted_twice(
    kind, tmp_path, trained
):
    assert search(arguments_of(kind, tmp_path, "whole")) == 0
    whole, count = figures(tmp_path / "tune-whole"), len(trained)
    assert count == len(whole) - 1
    arguments = arguments_of(kind, tmp_path, "killed")
    deaths = 0
    for number, (target, name) in enumerate(MOMENTS * 2):
        calls = iter(range(100))
        real = getattr(target, name)

        def dies(*given, real=real, calls=calls, last=number % 3, **named):
            if next(calls) == last:
                raise Killed
            return real(*given, **named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(target, name, dies)
            try:
                search(arguments)
            except Killed:
                deaths += 1
    assert deaths >= 6
    assert search(arguments) == 0
    assert figures(tmp_path / "tune-killed") == whole


def test_the_epochs_of_hyperband(tmp_path, trained):
    assert search(arguments_of("hyperband", tmp_path, "h")) == 0
    record = json.loads((tmp_path / "tune-h/trials.json").read_text())
    assert record["planned"] == len(record["trials"])
    epochs = [row["epochs"] for row in record["trials"]]
    # The brackets of Hyperband for 9 epochs and a factor of 3.
    assert sorted(epochs) == sorted(
        [1] * 9 + [3] * 3 + [9] + [3] * 5 + [9] * 2 + [9] * 3
    )


def test_bayesian_search_learns_from_its_trials(tmp_path, trained, monkeypatch):
    """The same search proposes other values where the figures are others."""
    assert search(arguments_of("bayesian", tmp_path, "b")) == 0
    first = [recipe.learning_rate for recipe in trained]
    assert len(set(first)) == 9
    trained.clear()
    monkeypatch.setitem(globals(), "SALT", "others ")
    assert search(arguments_of("bayesian", tmp_path, "b2")) == 0
    second = [recipe.learning_rate for recipe in trained]
    # The first ones are drawn; what follows depends on what these gave.
    same = [one == other for one, other in zip(first, second, strict=True)]
    assert all(same[:2]) and not all(same)


def test_a_finished_search_trains_nothing_more(tmp_path, trained):
    arguments = arguments_of("random", tmp_path, "r")
    assert search(arguments) == 0
    before = figures(tmp_path / "tune-r")
    assert search(arguments) == 0
    assert search(["search", "--resume", str(tmp_path / "tune-r")]) == 0
    assert len(trained) == 6 and figures(tmp_path / "tune-r") == before


def test_more_trials_may_be_asked_for_later(tmp_path, trained):
    for name, counts in (("more", "26"), ("whole", "6")):
        for count in counts:
            flags = ("--search", "random", "--trials", count)
            assert search(search_arguments(tmp_path, name, RANGES, *flags)) == 0
    assert figures(tmp_path / "tune-more") == figures(tmp_path / "tune-whole")


def test_a_small_space_ends_before_the_trials_do(tmp_path, trained, capsys):
    flags = ("--search", "random", "--trials", "30")
    assert search(search_arguments(tmp_path, "small", GRID, *flags)) == 0
    assert len(trained) == 4
    assert "no further trials: the space holds no others" in capsys.readouterr().out


def test_the_objective_may_be_the_loss(tmp_path, trained):
    flags = ("--search", "grid", "--objective", "val_loss")
    assert search(search_arguments(tmp_path, "loss", GRID, *flags)) == 0
    record = json.loads((tmp_path / "tune-loss/trials.json").read_text())
    best = min(record["trials"], key=lambda row: row["val_loss"])
    assert record["best"] == best["trial"]


def test_progress_names_what_is_done_running_and_left(tmp_path, trained, capsys):
    assert search(arguments_of("grid", tmp_path, "p")) == 0
    output = capsys.readouterr().out
    assert "Search: 0 done, 0 running, 4 left" in output
    assert "Trial 1: batch_size 45, learning_rate 0.001" in output
    assert "Search: 2 done, 0 running, 2 left; best val_accuracy 0." in output
    assert "left at this pace" in output
    assert "Search: 4 done, 0 running, 0 left" in output


@pytest.mark.parametrize("kind", KINDS)
def test_only_checkpoints_that_are_of_use_are_kept(kind, tmp_path, trained):
    assert search(arguments_of(kind, tmp_path, "c")) == 0
    folder = tmp_path / "tune-c"
    (kept,) = (folder / "trials").glob("*/checkpoint.npz")
    best = json.loads((folder / "trials.json").read_text())["best"]
    assert kept.parent.name == best


@pytest.mark.parametrize("error", [CannotWrite("The disk is full."), Locked("Held.")])
def test_what_is_wrong_with_the_place_is_no_outcome_of_a_trial(
    error, tmp_path, trained, monkeypatch
):
    """Each trial that was left was written down as failed, for good."""

    def fit(*arguments, **further):
        raise error

    stand_in = trials.fit
    monkeypatch.setattr(trials, "fit", fit)
    monkeypatch.setattr(searching.time, "sleep", stop_waiting)
    arguments = arguments_of("random", tmp_path, "full")
    if isinstance(error, Locked):
        # It waits for the process that trains the trial.
        with pytest.raises(Killed):
            search(arguments)
    else:
        assert search(arguments) == 2
    assert not list((tmp_path / "tune-full").glob("trials/*/outcome.json"))
    monkeypatch.setattr(trials, "fit", stand_in)
    assert search(arguments) == 0
    record = json.loads((tmp_path / "tune-full/trials.json").read_text())
    assert {row["state"] for row in record["trials"]} == {"finished"}


def stop_waiting(seconds):
    raise Killed


def test_a_trial_that_goes_on_counts_its_own_epochs(tmp_path, trained):
    space, flags = RANGES, ("--search", "hyperband", "--epochs", "9")
    space = space | {"recipe": {"schedule": "constant", "warmup_epochs": 0.0}}
    assert search(search_arguments(tmp_path, "own", space, *flags)) == 0
    folder = tmp_path / "tune-own"
    rows = json.loads((folder / "trials.json").read_text())["trials"]
    # Two seconds an epoch in the stand-in. 9 trials of 1 epoch, of which 3 go on to 3
    # and 1 to 9; 5 of 3, of which 2 go on to 9; 3 of 9.
    own = 9 * 1 + 3 * 2 + 1 * 6 + 5 * 3 + 2 * 6 + 3 * 9
    assert sum(row["seconds"] for row in rows) == 2.0 * own
    assert sum(row["epochs"] for row in rows) == 9 + 3 * 3 + 9 + 5 * 3 + 2 * 9 + 3 * 9
    # What nobody goes on from is removed whole.
    left = {path.parent.name for path in folder.glob("trials/*/checkpoint*.npz")}
    best = json.loads((folder / "best.json").read_text())["trial"]
    assert left == {best}


def test_a_search_that_goes_on_refuses_other_settings(tmp_path, trained, capsys):
    assert search(arguments_of("random", tmp_path, "r")) == 0
    again = ["search", "--resume", str(tmp_path / "tune-r")]
    for flag, value in (
        ("--seed", "1"),
        ("--search", "grid"),
        ("--epochs", "77"),
        ("--model", "mlp"),
        ("--recipe", "published"),
        ("--space", "batch-lr-grid"),
    ):
        assert search([*again, flag, value]) == 2
        error = capsys.readouterr().err
        assert f"leave {flag} out. Received: {value}" in error
    assert search([*again, "--model", "logistic_regression", "--seed", "0"]) == 0
