"""Spaces: the published grids to the last value, a user's own, and bad ones."""

import json

import pytest

from fmkeras.errors import UserError
from fmkeras.models import list_models
from fmkeras.recipes import find_recipe
from fmkeras.recipes.recipe import Recipe
from tuner.cli import build_parser, make_settings
from tuner.spaces.builtin import BATCH_LR_GRID, NAMES, STANDARDISE_GRID, built_in_space
from tuner.spaces.files import find_space
from tuner.spaces.keras_tuner import decode, encode, to_keras_tuner
from tuner.spaces.space import Hyperparameter, Space, apply_values, check_space, grid


def test_the_batch_and_rate_grid_is_the_published_one():
    combinations = list(grid(BATCH_LR_GRID.hyperparameters))
    assert len(combinations) == 40
    batches = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000]
    rates = [0.01, 0.001, 0.0001, 0.00001]
    assert [tuple(c.values()) for c in combinations] == [
        (batch, rate) for batch in batches for rate in rates
    ]
    recipe = BATCH_LR_GRID.recipe
    assert (recipe.epochs, recipe.optimizer, recipe.schedule) == (
        10,
        "adam",
        "constant",
    )
    assert (recipe.preprocessing, recipe.data_split) == ("scale", "holdout")


def test_the_standardise_grid_is_the_published_one():
    combinations = list(grid(STANDARDISE_GRID.hyperparameters))
    assert len(combinations) == 16
    assert {tuple(c.values()) for c in combinations} == {
        (batch, rate, preprocessing)
        for batch in (10, 20, 50, 100)
        for rate in (0.01, 0.001)
        for preprocessing in ("scale", "standardise")
    }
    assert (STANDARDISE_GRID.recipe.epochs, STANDARDISE_GRID.recipe.optimizer) == (
        20,
        "adam",
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("model", ["lenet_relu", "mlp", "cnn"])
def test_every_space_of_the_project_fits_every_kind_of_network(name, model):
    space = built_in_space(name, model)
    check_space(space, model, space.recipe or find_recipe("default", model))


def test_the_wide_space_has_the_options_of_the_network():
    names = {h.name for h in built_in_space("wide", "mlp").hyperparameters}
    assert {"optimizer", "weight_decay", "label_smoothing", "flip"} <= names
    assert {"precision", "hidden_units"} <= names and "dropout" not in names
    names = {h.name for h in built_in_space("wide", "cnn").hyperparameters}
    assert "dropout" in names
    for model in list_models():
        built_in_space("wide", model)


def test_a_condition_keeps_a_choice_out_of_the_grid():
    choices = (
        Hyperparameter("optimizer", ("adam", "adamw")),
        Hyperparameter("weight_decay", (0.1, 0.2), when={"optimizer": ("adamw",)}),
    )
    assert list(grid(choices)) == [
        {"optimizer": "adam"},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "adamw", "weight_decay": 0.2},
    ]


def test_another_optimizer_leaves_what_was_chosen_for_the_first():
    base = Recipe(optimizer="adamw", weight_decay=0.1, schedule="cosine")
    assert apply_values(base, "mlp", {"optimizer": "sgd"})[0].weight_decay == 0
    recipe, _ = apply_values(base, "mlp", {"optimizer": "ranger21"})
    assert recipe.schedule == "constant"
    recipe, options = apply_values(
        base, "mlp", {"learning_rate": 1, "hidden_units": [16, 8]}
    )
    assert (recipe.learning_rate, options) == (1.0, {"hidden_units": (16, 8)})
    assert recipe.weight_decay == 0.1


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_keras_tuner_gets_and_gives_every_kind_of_value(model):
    space = built_in_space("wide", model)
    registered = to_keras_tuner(space)
    assert [hp.name for hp in registered.space] == [
        h.name for h in space.hyperparameters
    ]
    for seed in range(20):
        codes = {}
        for hyperparameter, hp in zip(
            space.hyperparameters, registered.space, strict=True
        ):
            codes[hp.name] = hp.random_sample(seed + len(codes))
            if hyperparameter.values:
                assert codes[hp.name] in [
                    encode(hyperparameter, v) for v in hyperparameter.values
                ]
        values = decode(space, codes)
        assert ("weight_decay" in values) == (values["optimizer"] == "adamw")
        assert ("momentum" in values) == (values["optimizer"] == "sgd")
        assert isinstance(values["flip"], bool)
        apply_values(find_recipe("default", model), model, values)
        assert json.loads(json.dumps(values["learning_rate"])) < 0.031


def test_a_users_own_space_in_either_form(tmp_path):
    content = {
        "hyperparameters": {
            "optimizer": ["adamw", "sgd"],
            "weight_decay": {
                "min": 0.001,
                "max": 0.1,
                "sampling": "log",
                "when": {"optimizer": "adamw"},
            },
            "hidden_units": [[16], [32, 16]],
        },
        "recipe": {"epochs": 3},
    }
    (tmp_path / "mine.json").write_text(json.dumps(content))
    (tmp_path / "mine.py").write_text(
        f"hyperparameters = {content['hyperparameters']!r}\nrecipe = dict(epochs=1 + 2)"
    )
    one, two = (find_space(str(tmp_path / f"mine.{s}"), "mlp") for s in ("json", "py"))
    assert one == two
    assert one.name == "mine" and one.changes == {"epochs": 3}
    assert one.hyperparameters[1].when == {"optimizer": ("adamw",)}
    assert one.hyperparameters[2].values == ((16,), (32, 16))
    check_space(one, "mlp", find_recipe("default", "mlp"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "does not work"),
        ("[]", "has another form"),
        ('{"hyperparameters": {}, "x": 1}', "holds unknown keys"),
        ('{"hyperparameters": {"batch_size": 3}}', "has a bad batch_size"),
        ('{"hyperparameters": {"batch_size": []}}', "has no values for batch_size"),
        ('{"hyperparameters": {"batch_size": [8, 8]}}', "each value once"),
        ('{"hyperparameters": {"l2": {"min": 2, "max": 1}}}', "min below max"),
        (
            '{"hyperparameters": {"l2": {"min": 0, "max": 1, "sampling": "log"}}}',
            "min above 0",
        ),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, content, message):
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        find_space(str(tmp_path / "bad.json"), "mlp")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_raises(tmp_path):
    with pytest.raises(UserError, match="Unknown space; expected one of: batch-lr"):
        find_space("narrow", "mlp")
    with pytest.raises(UserError, match="cannot be read"):
        find_space(str(tmp_path / "none.py"), "mlp")
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(UserError, match=r"does not work \(ZeroDivisionError"):
        find_space(str(tmp_path / "bad.py"), "mlp")


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ((), "is empty; expected at least one of: epochs, batch_size"),
        ((Hyperparameter("batch", (8,)),), "Unknown hyperparameter for mlp"),
        ((Hyperparameter("dropout", (0.1,)),), "Unknown hyperparameter for mlp"),
        ((Hyperparameter("batch_size", (8, 0)),), "Bad batch_size"),
        ((Hyperparameter("batch_size", (8, "x")),), "Bad batch_size"),
        ((Hyperparameter("learning_rate", (1.0, -1.0)),), "Bad learning_rate"),
        ((Hyperparameter("l2", minimum=-1.0, maximum=1.0),), "Bad l2"),
        ((Hyperparameter("data_split", ("full",)),), "Unknown hyperparameter"),
        ((Hyperparameter("l2", (0.1,)), Hyperparameter("l2", (0.2,))), "comes twice"),
        (
            (Hyperparameter("l2", (0.1,), when={"optimizer": ("sgd",)}),),
            "Bad condition of l2",
        ),
    ],
)
def test_a_space_that_does_not_fit_is_one_line(hyperparameters, message):
    with pytest.raises(UserError, match=message) as caught:
        check_space(Space("mine", hyperparameters), "mlp", Recipe())
    assert "\n" not in str(caught.value)


def test_no_search_without_validation_images_or_by_those_of_the_test():
    space = Space("mine", (Hyperparameter("batch_size", (8,)),))
    for recipe in (
        Recipe(data_split="full", keep="last"),
        Recipe(data_split="fashionnet"),
    ):
        with pytest.raises(UserError, match="needs validation images"):
            check_space(space, "mlp", recipe)


def test_a_range_makes_no_grid():
    with pytest.raises(UserError, match="A grid takes lists of values"):
        list(grid((Hyperparameter("l2", minimum=0.0, maximum=1.0),)))


@pytest.mark.parametrize("words", [[], ["--recipe", "default"]])
def test_a_recipe_that_trains_on_all_images_sets_some_aside(words):
    words = ["search", "--model", "fmk_100k", "--space", "wide", *words]
    settings = make_settings(build_parser().parse_args(words))
    assert find_recipe("default", "fmk_100k").data_split == "full"
    assert settings.recipe.data_split == "holdout"


def test_the_name_of_a_space_file_says_nothing_of_its_recipe(tmp_path):
    """Of a space called cnn.json SGD was taken for that of the recipe 'cnn'."""
    found = []
    for name in ("mine", "cnn"):
        path = tmp_path / f"{name}.json"
        path.write_text('{"hyperparameters": {"optimizer": ["adamw", "sgd"]}}')
        words = ["search", "--model", "lenet_relu", "--space", str(path)]
        settings = make_settings(build_parser().parse_args(words))
        recipe, _ = apply_values(settings.recipe, "lenet_relu", {"optimizer": "sgd"})
        found.append((recipe.learning_rate, recipe.momentum))
    assert found == [(0.05, 0.9)] * 2


def test_a_search_reads_no_test_images():
    words = ["search", "--model", "tinyvgg_3", "--recipe", "published"]
    settings = make_settings(build_parser().parse_args(words))
    assert find_recipe("published", "tinyvgg_3").test_each_epoch
    assert not settings.recipe.test_each_epoch
    space = Space("mine", (Hyperparameter("batch_size", (8,)),))
    with pytest.raises(UserError, match="reads no test images"):
        check_space(space, "mlp", Recipe(test_each_epoch=True, keep="last"))


def test_a_value_may_need_another_optimizer_than_the_recipes():
    words = ["search", "--model", "lenet", "--recipe", "published"]
    settings = make_settings(build_parser().parse_args(words))
    assert settings.recipe.optimizer == "ranger21"
    names = {h.name for h in settings.space.hyperparameters}
    assert {"optimizer", "schedule"} <= names
    alone = Space("mine", (Hyperparameter("schedule", ("cosine",)),))
    with pytest.raises(UserError, match="ranger21"):
        check_space(alone, "lenet", settings.recipe)
    # In either order: the values of a trial are applied together.
    pair = (Hyperparameter("optimizer", ("adamw",)), *alone.hyperparameters)
    check_space(Space("mine", pair), "lenet", settings.recipe)
    check_space(Space("mine", pair[::-1]), "lenet", settings.recipe)


def test_the_first_search_may_be_hyperband():
    words = ["search", "--search", "hyperband"]
    settings = make_settings(build_parser().parse_args(words))
    assert settings.trials is None and settings.recipe.epochs == 3
    for flag, message in (("--trials", "TRIALS"), ("--epochs", "epochs")):
        with pytest.raises(UserError, match=f"Bad {message}"):
            make_settings(build_parser().parse_args(["search", flag, "0"]))
