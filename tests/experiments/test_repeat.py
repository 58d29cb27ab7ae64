"""Repeating a training over backends and seeds."""

import json

import pytest

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
