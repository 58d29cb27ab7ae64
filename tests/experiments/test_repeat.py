"""Repeating a training over backends and seeds."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from fmkeras.cli.parser import build_parser
from fmkeras.cli.train import is_training_of
from fmkeras.datasets import load_dataset
from fmkeras.datasets.splits import limit_training
from fmkeras.errors import UserError
from fmkeras.experiments import repeat as repeating
from fmkeras.experiments.repeat import repeat
from fmkeras.experiments.reproduce import reproduce
from fmkeras.recipes import find_recipe

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("flag", ["--runs", "--out=elsewhere", "--seed"])
def test_a_flag_that_each_run_has_of_its_own_is_refused(flag, tmp_path):
    with pytest.raises(UserError, match=f"flag of its own.*{flag}"):
        repeat("a", "linear", ["torch"], [0], [flag, "x"], tmp_path, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_record_of_another_recipe_is_not_taken_for_this_one(tmp_path):
    recipe = find_recipe("default", "linear")
    path = tmp_path / "a/linear-torch-seed0.json"
    path.parent.mkdir()
    path.write_text(
        json.dumps(
            {
                "model": "linear",
                "recipe": recipe.to_dict(),
                "seed": 0,
                "backend": "torch",
                "precision": "float32",
                "dataset": {"name": "fashion-mnist"},
                "device": None,
                "commit": None,
            }
        )
    )
    places = {"records": tmp_path, "runs": tmp_path}
    assert repeat("a", "linear", ["torch"], [0], **places, recipe=recipe)
    with pytest.raises(UserError, match="is of another recipe than these runs"):
        repeat("a", "linear", ["torch"], [0], **places, recipe=recipe.replace(ema=0.9))


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], True),
        (["--limit", "1000"], False),
        (["--data", "kmnist"], False),
        (["--dropout", "0.1"], False),
        (["--precision", "float32"], True),
        (["--precision", "bfloat16"], False),
        (["--init-from", "lenet"], False),
        (["--batch-size", "128"], True),
    ],
)
def test_a_record_is_of_the_same_data_options_and_precision(words, asked):
    told = {
        "options": {},
        "precision": "float32",
        "dataset": {"name": "fashion-mnist", "source": "data/fashion-mnist"},
    }
    args = build_parser().parse_args(["train", "--model", "mynet", *words])
    assert is_training_of(args, told) == asked
    told["dataset"]["source"] += ", 1,000 of 60,000 training images"
    assert is_training_of(args, told) == ("--limit" in words)


def test_a_record_of_other_images_is_not_of_drawn_ones_or_of_a_path(tmp_path):
    """The name of a folder does not tell its images; those of garments are drawn."""
    words = ["train", "--model", "mynet", "--data", "garments", "--test-size", "20"]
    asked = build_parser().parse_args([*words, "--train-size", "60"])
    dataset = load_dataset("garments", train_size=60, test_size=20)
    told = {"seed": 1, "dataset": {"name": "garments", "checksum": dataset.checksum}}
    assert is_training_of(asked, told)
    assert not is_training_of(build_parser().parse_args(words), told)
    np.savez(tmp_path / "mine.npz", x_train=dataset.x_train, y_train=dataset.y_train)
    words = ["train", "--model", "mynet", "--data", str(tmp_path / "mine.npz")]
    own = build_parser().parse_args(words)
    assert not is_training_of(own, told)
    mine = load_dataset(str(tmp_path / "mine.npz"))
    assert is_training_of(own, {"dataset": {"checksum": mine.checksum}})
    limited = build_parser().parse_args([*words, "--limit", "30"])
    few = limit_training(mine, 30, seed=1)
    assert is_training_of(limited, {"seed": 1, "dataset": {"checksum": few.checksum}})
    assert not is_training_of(own, {"seed": 1, "dataset": {"checksum": few.checksum}})


def test_own_images_are_read_once_for_all_seeds(tmp_path, monkeypatch):
    dataset = load_dataset("garments", train_size=60, test_size=20)
    path = tmp_path / "mine.npz"
    np.savez(path, x_train=dataset.x_train, y_train=dataset.y_train)
    mine, read = load_dataset(str(path)), []
    monkeypatch.setattr(
        "fmkeras.cli.train.load_data", lambda args: read.append(args) or mine
    )
    words = ["train", "--model", "mynet", "--data", str(path)]
    asked = build_parser().parse_args(words)
    for seed in range(3):
        told = {"seed": seed, "dataset": {"checksum": mine.checksum}}
        assert is_training_of(asked, told)
    assert len(read) == 1


def test_a_record_is_of_the_file_that_training_began_with():
    told = {
        "dataset": {"name": "fashion-mnist", "source": "data/fashion-mnist"},
        "start": {"file": "lenet.keras", "sha256": "0" * 64},
    }
    file = ROOT / "saved_models/linear.keras"
    words = ["train", "--model", "linear", "--init-from", str(file)]
    args = build_parser().parse_args(words)
    assert not is_training_of(args, told)
    told["start"]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    assert is_training_of(args, told)


def test_a_record_is_of_the_layers_that_were_frozen():
    told = {
        "dataset": {"name": "fashion-mnist", "source": "data/fashion-mnist"},
        "start": {"frozen_up_to": "pool_1", "frozen": ["conv_1"]},
    }
    words = ["train", "--model", "lenet", "--freeze"]
    same, other = (
        build_parser().parse_args([*words, layer]) for layer in ("pool_1", "conv_2")
    )
    assert is_training_of(same, told) and not is_training_of(other, told)
    # Records of before do not tell the layer.
    del told["start"]["frozen_up_to"]
    assert is_training_of(same, told) and is_training_of(other, told)


def test_a_run_goes_on_in_its_own_precision_alone(tmp_path, monkeypatch):
    """Another --precision led into a run that refused it, each time again."""
    recipe = find_recipe("default", "linear")
    for number, precision in enumerate(("float32", "bfloat16", "auto")):
        folder = tmp_path / f"runs/a/linear-torch-seed0/{number}"
        folder.mkdir(parents=True)
        # Of the last a kill has left the one before alone.
        before = "-previous" if precision == "auto" else ""
        (folder / f"checkpoint{before}.npz").write_text("")
        config = {"model": "linear", "options": {}, "seed": 0, "backend": "torch"}
        config |= {"recipe": recipe.replace(precision=precision).to_dict()}
        config |= {"dataset": {"name": "fashion-mnist"}}
        (folder / "config.json").write_text(json.dumps(config))
    commands = []

    def run_child(command):
        commands.append(command)
        return 1

    monkeypatch.setattr(repeating, "run_child", run_child)
    for precision, number in (("float32", "0"), ("bfloat16", "1"), ("auto", "2")):
        with pytest.raises(UserError, match="A training run failed"):
            repeat(
                *("a", "linear", ["torch"], [0]),
                records=tmp_path,
                runs=tmp_path / "runs",
                recipe=recipe.replace(precision=precision),
            )
        assert commands[-1][-2:] == ["--resume", str(folder.parent / number)]
    with pytest.raises(UserError, match="A training run failed"):
        repeat(
            *("a", "linear", ["torch", "torch"], [0]),
            records=tmp_path,
            runs=tmp_path / "runs",
            recipe=recipe.replace(compile="yes"),
        )
    assert "--resume" not in commands[-1]


def test_a_record_in_another_precision_is_not_what_is_asked_for(tmp_path):
    recipe = find_recipe("published", "linear")
    record = {"model": "linear", "recipe": recipe.to_dict(), "seed": 0}
    record |= {"backend": "torch", "precision": "float32", "device": None}
    record |= {"commit": None, "dataset": {"name": "fashion-mnist"}}
    path = tmp_path / "published/linear-torch-seed0.json"
    path.parent.mkdir()
    path.write_text(json.dumps(record))
    arguments = ("linear", "torch", [0], None)
    how = {"records": tmp_path, "runs": tmp_path / "runs"}
    assert len(reproduce(*arguments, **how)) == 1
    flags = ["--precision", "bfloat16"]
    with pytest.raises(UserError, match="data, options or precision"):
        reproduce(*arguments, flags, **how, how={"precision": "bfloat16"})


def test_settings_that_do_not_tell_their_precision_may_be_of_any(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "fmkeras.experiments.reproduce.repeat",
        lambda *arguments: asked.append(arguments[-1]) or [],
    )
    reproduce("linear", "torch", [0], how={"precision": "bfloat16"})
    [is_asked] = asked
    assert is_asked({}) and is_asked({"precision": "bfloat16"})
    assert not is_asked({"precision": "float32"})


def test_flags_have_no_other_names(capsys):
    """`--see` was the seed of a run, whatever the record's name said."""
    with pytest.raises(SystemExit):
        build_parser().parse_args(["train", "--model", "linear", "--see", "3"])
    assert "--see" in capsys.readouterr().err
