"""The step is compiled where measurements show that it saves time."""

import pytest

from fmkeras.recipes import Recipe
from fmkeras.training.auto import resolve_compilation

RECIPE = Recipe(epochs=10)


NOTHING = {"speed": {}, "accuracy": {}}


@pytest.fixture
def figures():
    # 20 s more to start, then a millisecond less an image.
    rates = {"ours-torch": 500.0, "ours-torch-compiled": 1000.0}
    starts = {"ours-torch": 5.0, "ours-torch-compiled": 25.0}
    models = {"lenet": {"train": rates, "first_step": starts}}
    return {"speed": {"cpu": {"models": models}}, "accuracy": {}}


def resolve(figures, recipe=RECIPE, images=2_100, **changes):
    where = {"model_name": "lenet", "precision": "float32"}
    where |= {"backend": "torch", "device": "cpu", **changes}
    return resolve_compilation(recipe, train_size=images, figures=figures, **where)


def test_it_is_compiled_where_the_run_saves_more_than_the_compiler_takes(figures):
    assert resolve(figures)
    assert not resolve(figures, images=1_900)
    assert resolve(figures, Recipe(epochs=11), images=1_900)


def test_what_a_recipe_says_holds(figures):
    assert not resolve(figures, Recipe(epochs=1_000, compile="no"))
    assert resolve(NOTHING, Recipe(epochs=1, compile="yes"))


def test_each_precision_has_figures_of_its_own(figures):
    entry = figures["speed"]["cpu"]["models"]["lenet"]
    entry["train"]["ours-torch-bfloat16"] = 900.0
    entry["train"]["ours-torch-bfloat16-compiled"] = 1000.0
    for name in ("ours-torch-bfloat16", "ours-torch-bfloat16-compiled"):
        entry["first_step"][name] = entry["first_step"][name.replace("-bfloat16", "")]
    assert not resolve(figures, precision="bfloat16")
    assert resolve(figures, precision="bfloat16", images=19_000)


def test_what_was_not_measured_is_not_compiled(figures):
    assert not resolve(NOTHING)
    for name, value in (
        ("model_name", "mynet"),
        ("precision", "bfloat16"),
        ("backend", "jax"),
        ("device", "gpu"),
        ("recipe", Recipe(epochs=10, optimizer="sgd")),
    ):
        assert not resolve(figures, **{name: value})
