"""What a run keeps, what it refuses to overwrite, and who may go on with it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from fmkeras.cli.one_run import _name_interrupted_run
from fmkeras.errors import UserError
from fmkeras.files import write_json
from fmkeras.files.locks import Locked, locked
from fmkeras.recipes import Recipe
from fmkeras.training.callbacks import RunLog
from fmkeras.training.checkpoint import Checkpoint
from fmkeras.training.checkpoint_file import previous_path, write_checkpoint
from fmkeras.training.publish import publish_model
from fmkeras.training.run_dir import ensure_run_dir, resume_dir

CONFIG = {
    "model": "lenet",
    "options": {},
    "recipe": {"epochs": 3, "batch_size": 32},
    "seed": 0,
    "backend": "torch",
    "dataset": {"name": "garments", "checksum": "0"},
}


def kept_model(folder, accuracy, seed=0):
    """A run's model, as far as putting it elsewhere reads it."""
    folder.mkdir(parents=True)
    path = folder / "lenet.keras"
    content = str(accuracy).encode()
    path.write_bytes(content)
    card = {
        "model": "lenet",
        "sha256": hashlib.sha256(content).hexdigest(),
        "seed": seed,
        "streams": 2,
        "dataset": {"name": "garments", "checksum": "0"},
        "recipe": {"data_split": "holdout"},
        "validation": {"accuracy": accuracy},
    }
    write_json(path.with_suffix(".json"), card)
    return path


def content_of(folder):
    """The model that is there, and the accuracy on its card."""
    card = json.loads((folder / "lenet.json").read_text())
    return (folder / "lenet.keras").read_bytes(), card["validation"]["accuracy"]


def test_a_model_goes_where_none_is_or_a_worse_one(tmp_path):
    saved = tmp_path / "saved"
    saved.mkdir()
    place, line = publish_model(kept_model(tmp_path / "a", 0.8), saved, "better")
    assert (place.parent, line, content_of(saved)) == (saved, "", (b"0.8", 0.8))
    _, line = publish_model(kept_model(tmp_path / "b", 0.9), saved, "better")
    assert line == "It replaces one that was there."
    assert content_of(saved) == (b"0.9", 0.9)
    worse = kept_model(tmp_path / "c", 0.7)
    place, line = publish_model(worse, saved, "better")
    assert place == worse and content_of(saved) == (b"0.9", 0.9)
    assert "its validation accuracy is 0.9000, that of this run 0.7000" in line
    # The command that the line names, in make's words and in those of fmkeras.
    assert f"make train RESUME={worse.parent} SAVE=always puts it there" in line
    assert f"(fmkeras train --resume {worse.parent} --save always)." in line
    publish_model(worse, saved, "always")
    assert content_of(saved) == (b"0.7", 0.7)
    place, line = publish_model(kept_model(tmp_path / "d", 1.0), saved, "never")
    assert content_of(saved) == (b"0.7", 0.7) and "as asked" in line


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("seed", "it was not validated on the same images"),
        ("no card", "it has no card to compare with"),
        ("damaged", "its card is damaged"),
    ],
)
def test_a_model_that_cannot_be_compared_stays(tmp_path, change, reason):
    kept_model(tmp_path / "saved", 0.1, seed=int(change == "seed"))
    card = tmp_path / "saved/lenet.json"
    if change == "no card":
        card.unlink()
    elif change == "damaged":
        card.write_text("[")
    worse = kept_model(tmp_path / "run", 0.9)
    place, line = publish_model(worse, tmp_path / "saved", "better")
    assert place == worse and f"stays: {reason}" in line
    assert (tmp_path / "saved/lenet.keras").read_bytes() == b"0.1"


def test_resuming_names_the_differing_fields_alone(tmp_path, capsys):
    ensure_run_dir(tmp_path, CONFIG, {"threads": 1, "versions": {"keras": "3.1"}})
    other = {**CONFIG, "seed": 7, "recipe": {"epochs": 4, "batch_size": 32}}
    with pytest.raises(UserError) as told:
        ensure_run_dir(tmp_path, other, {"threads": 1})
    assert "expected recipe.epochs 3, seed 0" in str(told.value)
    assert "Received: recipe.epochs 4, seed 7" in str(told.value)
    assert "batch_size" not in str(told.value)
    begun = tmp_path / "begun"
    ensure_run_dir(begun, {**CONFIG, "options": {"dropout": 0.5}}, {})
    with pytest.raises(UserError, match="expected options.dropout 0.5: start"):
        ensure_run_dir(begun, {**CONFIG, "options": {}}, {})
    started = tmp_path / "started"
    start = {"sha256": "0", "frozen": ["a"]}
    ensure_run_dir(started, {**CONFIG, "start": {"file": "one.keras", **start}}, {})
    # The same file under another name, told of in other words.
    other = {"file": "two.keras", "frozen_up_to": "a", **start}
    ensure_run_dir(started, {**CONFIG, "start": other}, {})
    with pytest.raises(UserError, match="expected start.sha256 0: start a new"):
        ensure_run_dir(started, {**CONFIG, "start": other | {"sha256": "1"}}, {})
    capsys.readouterr()
    ensure_run_dir(tmp_path, CONFIG, {"threads": 2, "versions": {"keras": "3.1"}})
    told = capsys.readouterr().err
    assert "began with threads 1, and goes on with threads 2" in told
    assert "keras" not in told


def test_last_is_the_newest_run_that_did_not_end(tmp_path):
    with pytest.raises(UserError, match="No run in .* was interrupted"):
        resume_dir("last", tmp_path)
    for number, name in enumerate(("b", "a", "ended", "failed", "empty")):
        ensure_run_dir(tmp_path / name, CONFIG, {})
        os.utime(tmp_path / name / "config.json", (number, number))
        if name != "empty":
            (tmp_path / name / "checkpoint.npz").touch()
    # A kill came between the two moves of a checkpoint.
    newest = tmp_path / "a/checkpoint.npz"
    newest.rename(previous_path(newest))
    (tmp_path / "ended/record.json").touch()
    (tmp_path / "failed/failed.txt").touch()
    assert resume_dir("last", tmp_path) == tmp_path / "a"
    with locked(tmp_path / "a", "training"):
        # Another process is at it.
        assert resume_dir("last", tmp_path) == tmp_path / "b"


def test_the_same_training_says_that_one_was_interrupted(tmp_path, capsys):
    recipe = Recipe(epochs=3)
    backend = keras.backend.backend()
    config = CONFIG | {"recipe": recipe.to_dict(), "backend": backend}
    folder = ensure_run_dir(tmp_path / "a", config, {}, {"freeze": None})
    same = {"model": "lenet", "seed": 0, "init_from": None, "freeze": None}
    data = SimpleNamespace(checksum="0")

    def told(recipe=recipe, data=data, options=None, **changes):
        args = SimpleNamespace(runs=str(tmp_path), **same | changes)
        _name_interrupted_run(args, recipe, data, options or {})
        return capsys.readouterr().out

    # Nothing was kept of it yet.
    assert told() == ""
    (folder / "checkpoint.npz").touch()
    assert told(recipe.replace(epochs=4)) == ""
    assert told(data=SimpleNamespace(checksum="1")) == ""
    assert told(options={"dropout": 0.5}) == ""
    for change in ({"seed": 1}, {"freeze": "a"}, {"init_from": "b"}, {"model": "cnn"}):
        assert told(**change) == ""
    assert "The same training was interrupted before" in told()
    assert f"make train RESUME={folder} goes on" in told()


def test_a_run_that_another_process_has_is_refused(tmp_path):
    code = (
        "import sys; from pathlib import Path; from fmkeras.files.locks import locked\n"
        "with locked(Path(sys.argv[1]), 'training'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Locked) as told, locked(tmp_path, "training", patience=0.0):
            pass
        assert f"process {other.pid}" in str(told.value)
        assert "since" in str(told.value)
        other.stdin.close()
    with locked(tmp_path, "training"):
        pass


def test_a_folder_that_vanishes_is_said_and_not_made_again(tmp_path):
    run = tmp_path / "run"
    ensure_run_dir(run, CONFIG, {})
    log = RunLog(run, SimpleNamespace(rows=[]))
    shutil.rmtree(run)
    with pytest.raises(UserError, match="The folder of the run vanished"):
        log.on_epoch_end(0, {"loss": 1.0})
    assert not run.exists()


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "gone"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tmp_path, capsys, monkeypatch, damage
):
    path = tmp_path / "checkpoint.npz"
    for epoch in (1, 2):
        state = {"epochs_done": epoch, "kept_epoch": epoch}
        state |= {"history": [], "per_class": []}
        write_checkpoint(path, state, {"values": np.full(50, epoch)})
    content = path.read_bytes()
    damaged = {"empty": b"", "cut": content[:-9], "flipped": content[:-1] + b"x"}
    path.write_bytes(damaged.get(damage, b""))
    if damage == "gone":
        path.unlink()
    checkpoint = Checkpoint(SimpleNamespace(), None, path)
    monkeypatch.setattr(
        checkpoint,
        "_assign",
        lambda state, arrays: setattr(checkpoint, "epochs_done", state["epochs_done"]),
    )
    checkpoint.restore()
    assert checkpoint.epochs_done == 1
    told = capsys.readouterr().err
    assert "The newest checkpoint is damaged" in told
    assert "going on from the one before, after epoch 1." in told
    previous_path(path).write_bytes(b"")
    with pytest.raises(UserError, match="has no whole checkpoint"):
        checkpoint.restore()
