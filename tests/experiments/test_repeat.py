"""Repeating a training over backends and seeds."""

import json

import pytest

from fmkeras.cli.parser import build_parser
from fmkeras.cli.train import is_training_of
from fmkeras.errors import UserError
from fmkeras.experiments.repeat import repeat
from fmkeras.recipes import find_recipe


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
