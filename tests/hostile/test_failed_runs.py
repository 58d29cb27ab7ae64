"""A training that fails keeps its best weights; what cannot end well does not begin."""

import errno
import json
import os
import re
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from fmkeras.__main__ import main
from fmkeras.artifacts.keras_file import load_artifact, read_card
from fmkeras.errors import CannotWrite, Diverged, UserError
from fmkeras.files.locks import is_locked
from fmkeras.recipes import Recipe, find_recipe
from fmkeras.training import run as runs
from fmkeras.training.checkpoint import Checkpoint
from fmkeras.training.run_dir import interrupted_runs
from tuner.spaces.files import find_space
from tuner.spaces.space import check_space

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(dataset, model="linear", epochs=4, freeze=None, **changes):
    recipe = find_recipe("default", model).replace(epochs=epochs, compile="no")
    recipe = recipe.replace(**changes)
    return runs.train(model, recipe, dataset, out="models", runs="runs", freeze=freeze)


def spoil_after(monkeypatch, epoch):
    """Make a weight infinite before the first step that follows an epoch."""
    own = Checkpoint.on_epoch_end

    def on_epoch_end(checkpoint, number, logs=None):
        own(checkpoint, number, logs)
        if number + 1 == epoch:
            weights = checkpoint.engine.model.get_weights()
            weights[0][:] = np.inf
            checkpoint.engine.model.set_weights(weights)

    monkeypatch.setattr(Checkpoint, "on_epoch_end", on_epoch_end)


def test_the_best_weights_of_a_run_that_diverges_are_kept(garments, monkeypatch):
    spoil_after(monkeypatch, 2)
    seen = {}
    own = Checkpoint.on_epoch_end

    def on_epoch_end(checkpoint, number, logs=None):
        weights = checkpoint.engine.model.get_weights()
        seen[number + 1] = (logs["val_accuracy"], weights)
        own(checkpoint, number, logs)

    monkeypatch.setattr(Checkpoint, "on_epoch_end", on_epoch_end)
    with pytest.raises(Diverged, match=r"at step 1 of epoch 3, .*INIT=\S+") as caught:
        train(garments)
    message = str(caught.value)
    assert "\n" not in message
    path = Path(re.search(r"INIT=(\S+)", message)[1])
    epoch = int(re.search(r"The weights of epoch (\d)", message)[1])
    card = read_card(path)
    assert card["kept_epoch"] == epoch and "no longer finite" in card["ended"]
    best = max(seen, key=lambda number: seen[number][0])
    assert epoch == best and sorted(seen) == [1, 2]
    kept = load_artifact(path).get_weights()
    for one, other in zip(kept, seen[best][1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not list(Path("models").iterdir())


def test_a_run_that_failed_is_none_to_go_on_with(garments, monkeypatch):
    spoil_after(monkeypatch, 2)
    with pytest.raises(Diverged):
        train(garments, freeze="flatten")
    assert not interrupted_runs("runs")
    [path] = Path("runs").glob("*/linear*.keras")
    # What was frozen is a matter of the training, not of the file.
    assert all(layer.trainable for layer in load_artifact(path).layers)
    assert (path.parent / "failed.txt").read_text().startswith("The loss")


def test_the_best_weights_are_kept_where_the_mark_cannot_be(garments, monkeypatch):
    """A full disk lost them, and was told of in place of what had failed."""
    spoil_after(monkeypatch, 2)

    def full(path):
        raise CannotWrite(f"No room for '{path}'")

    monkeypatch.setattr("fmkeras.training.fit.replacing", full)
    with pytest.raises(Diverged, match="are kept"):
        train(garments)
    assert list(Path("runs").glob("*/linear*.keras"))


def test_the_folder_is_locked_until_the_model_is_saved(garments, monkeypatch):
    own, seen = runs._evaluate, []

    def evaluate(fitted, *arguments):
        seen.append((is_locked(fitted.folder), interrupted_runs("runs")))
        return own(fitted, *arguments)

    monkeypatch.setattr(runs, "_evaluate", evaluate)
    folder = train(garments, epochs=1).folder
    assert seen == [(True, [])] and not is_locked(folder)


def test_a_run_that_diverges_in_its_first_epoch_keeps_nothing(garments):
    with pytest.raises(Diverged) as caught:
        train(garments, "mlp", optimizer="sgd", learning_rate=1e30, weight_decay=0.0)
    assert "are kept" not in str(caught.value)
    assert not list(Path().glob("**/*.keras"))


def test_the_command_exits_with_3(capsys):
    words = ["train", "--model", "mlp", "--data", "garments", "--train-size", "300"]
    words += [
        "--test-size",
        "50",
        "--epochs",
        "1",
        "--optimizer",
        "sgd",
        "--lr",
        "1e30",
    ]
    assert main(words) == 3
    error = capsys.readouterr().err
    assert re.search(r"(^|\r)fmkeras: The loss is no longer finite", error, re.M)
    assert "gradient norm" in error


def test_a_full_disk_is_told_before_the_first_epoch(garments, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(10**9, 10**9, 1_000))
    with pytest.raises(UserError, match="The disk of the folder 'runs' is full"):
        train(garments)
    assert not list(Path("runs").iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fills_up_is_told_with_how_to_go_on(garments, monkeypatch, number):
    own, written = Checkpoint._write, []

    def write(checkpoint):
        if written:
            raise OSError(number, os.strerror(number), str(checkpoint.path))
        own(checkpoint)
        written.append(checkpoint.path.parent)

    monkeypatch.setattr(Checkpoint, "_write", write)
    with pytest.raises(UserError, match="cannot be written") as caught:
        train(garments)
    assert f"RESUME={written[0]}" in str(caught.value)


SPACE = 'hyperparameters = {"batch_size": [32, 64]}\nopen("ran", "w").close()\n'


@pytest.mark.parametrize("whose", ["own", "anybody's", "another's"])
def test_a_program_is_run_where_it_is_the_users_own(whose, monkeypatch, capsys):
    path = Path("space.py")
    path.write_text(SPACE)
    path.chmod(0o666 if whose == "anybody's" else 0o644)
    if whose == "another's":
        own = os.geteuid()
        monkeypatch.setattr("os.geteuid", lambda: own + 1)
    if whose == "own":
        find_space("space.py", "lenet")
    else:
        with pytest.raises(UserError, match="is a program.*--run-space-code"):
            find_space("space.py", "lenet")
        assert not Path("ran").exists()
        find_space("space.py", "lenet", run_code=True)
    assert Path("ran").exists()
    assert "'space.py' is a program; it is run" in capsys.readouterr().out


@pytest.mark.parametrize(
    "when, values",
    [
        ({"optimizer": []}, ["adam"]),
        ({"optimizer": [["adam"]]}, ["adam"]),
        ({"optimizer": "x" * 5000}, ["adam"]),
        ({"hidden_units": [8]}, [8, [[8]]]),
    ],
)
def test_a_condition_of_no_value_is_refused_in_a_line(when, values):
    name = next(iter(when))
    content = {name: values, "momentum": {"min": 0.1, "max": 0.9, "when": when}}
    Path("space.json").write_text(json.dumps({"hyperparameters": content}))
    with pytest.raises(UserError) as caught:
        check_space(find_space("space.json", "mlp"), "mlp", Recipe())
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1_000


def test_a_grid_of_millions_is_refused_at_once():
    from tuner.spaces.space import Hyperparameter, grid

    wide = [Hyperparameter(f"h{n}", tuple(range(300))) for n in range(3)]
    with pytest.raises(UserError, match="300 x 300 x 300"):
        list(grid(wide))
