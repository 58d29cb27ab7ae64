"""A compiler works on the step first where records show that it pays."""

import json

import pytest

from fmkeras.recipes import Recipe
from fmkeras.training.auto import resolve_compilation

RECIPE = Recipe(epochs=10)


@pytest.fixture
def records(tmp_path):
    # 20 s more to start, then a millisecond less an image.
    rates = {"ours-torch": {"median": 500.0}, "ours-torch-compiled": {"median": 1000.0}}
    starts = {"ours-torch": 5.0, "ours-torch-compiled": 25.0}
    models = {"lenet": {"train": rates, "first_step": starts}}
    (tmp_path / "benchmark-cpu.json").write_text(json.dumps({"models": models}))
    return tmp_path


def resolve(folder, recipe=RECIPE, images=2_100, **changes):
    where = {"model_name": "lenet", "precision": "float32"}
    where |= {"backend": "torch", "device": "cpu", **changes}
    return resolve_compilation(recipe, images=images, records=folder, **where)


def test_it_is_compiled_where_the_run_saves_more_than_the_compiler_takes(records):
    assert resolve(records)
    assert not resolve(records, images=1_900)
    assert resolve(records, Recipe(epochs=11), images=1_900)


def test_what_a_recipe_says_holds(records, tmp_path):
    assert not resolve(records, Recipe(epochs=1_000, compile="no"))
    assert resolve(tmp_path / "none", Recipe(epochs=1, compile="yes"))


def test_each_precision_has_figures_of_its_own(records):
    path = records / "benchmark-cpu.json"
    content = json.loads(path.read_text())
    entry = content["models"]["lenet"]
    entry["train"]["ours-torch-bfloat16"] = {"median": 900.0}
    entry["train"]["ours-torch-bfloat16-compiled"] = {"median": 1000.0}
    for name in ("ours-torch-bfloat16", "ours-torch-bfloat16-compiled"):
        entry["first_step"][name] = entry["first_step"][name.replace("-bfloat16", "")]
    path.write_text(json.dumps(content))
    assert not resolve(records, precision="bfloat16")
    assert resolve(records, precision="bfloat16", images=19_000)


def test_what_was_not_measured_is_not_compiled(records, tmp_path):
    assert not resolve(tmp_path / "none")
    for name, value in (
        ("model_name", "mynet"),
        ("precision", "bfloat16"),
        ("backend", "jax"),
        ("device", "gpu"),
        ("recipe", Recipe(epochs=10, optimizer="sgd")),
    ):
        assert not resolve(records, **{name: value})
