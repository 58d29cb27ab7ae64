import dataclasses
import json
import re
from pathlib import Path

import pytest

from fmkeras.errors import UserError
from fmkeras.models import list_models, model_info
from fmkeras.recipes import FAULTS, PUBLISHED, Recipe, find_recipe, trained_alike

BAD = [
    ({"epochs": 0}, "Bad epochs"),
    ({"epochs": 1.5}, "Bad epochs"),
    ({"batch_size": 0}, "Bad batch_size"),
    ({"batch_size": True}, "Bad batch_size"),
    ({"learning_rate": -0.1}, "Bad learning_rate"),
    ({"learning_rate": float("nan")}, "Bad learning_rate"),
    ({"learning_rate": float("inf")}, "Bad learning_rate"),
    ({"l2": -1e-4}, "Bad l2"),
    ({"momentum": 1.0}, "Bad momentum"),
    ({"label_smoothing": 1.0}, "Bad label_smoothing"),
    ({"step_factor": 0.0}, "Bad step_factor"),
    ({"optimizer": "adamm"}, "Bad optimizer"),
    ({"schedule": "convex"}, "Bad schedule"),
    ({"precision": "float64"}, "Bad precision"),
    ({"weight_decay": 0.1}, "goes with adamw"),
    ({"ema": 1.0}, "Bad ema"),
    ({"erasing": 1.5}, "Bad erasing"),
    ({"cutout": 29}, "Bad cutout"),
    ({"cutout_fill": "grey"}, "Bad cutout_fill"),
    ({"mixup": -1.0}, "Bad mixup"),
    ({"temperature": 0.0}, "Bad temperature"),
    ({"distillation_share": 1.1}, "Bad distillation_share"),
    ({"swa_epochs": 21}, "Bad swa_epochs"),
    ({"norm_bias_rate": 64.0}, "goes with muon and sgd"),
    ({"swa_epochs": 2, "ema": 0.9}, "expected one of them"),
    ({"crop_padding": 15}, "Bad crop_padding"),
    ({"rotation": -1.0}, "Bad rotation"),
    ({"data_split": "none"}, "Bad data_split"),
    ({"schedule": "cosine", "optimizer": "ranger21"}, "schedule of its own"),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_a_bad_field_is_named_with_what_was_received(fields, message):
    with pytest.raises(UserError, match=message) as caught:
        Recipe(**fields)
    assert f"Received: {list(fields.values())[0]!r}".replace("'", "") in str(
        caught.value
    ).replace("'", "")
    assert "\n" not in str(caught.value)


def test_without_validation_images_no_epoch_can_be_chosen():
    with pytest.raises(UserError, match="expected keep last. Received: best"):
        Recipe(data_split="full")
    assert Recipe(data_split="full", keep="last").data_split == "full"


def test_a_changed_recipe_says_so_in_its_name():
    recipe = find_recipe("default", "lenet")
    assert recipe.replace(epochs=recipe.epochs) == recipe
    changed = recipe.replace(epochs=recipe.epochs + 1)
    assert changed.name == "default+"
    assert changed.replace(batch_size=7).name == "default+"


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_recipe_comes_back_from_a_file(tmp_path, wrapped):
    recipe = Recipe(name="mine", epochs=3, label_smoothing=0.1)
    content = {"recipe": recipe.to_dict()} if wrapped else recipe.to_dict()
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(content))
    assert find_recipe(str(path), "lenet") == recipe


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid .Expecting"),
        ('{"epoch": 3}', "unknown fields.*Received: epoch"),
        ("[3]", "not valid .it is a list"),
        ('{"epochs": "3"}', "Bad epochs"),
    ],
)
def test_a_bad_recipe_file(tmp_path, content, message):
    path = tmp_path / "recipe.json"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        find_recipe(str(path), "lenet")


def test_unknown_recipes():
    with pytest.raises(UserError, match="Unknown recipe"):
        find_recipe("fast", "lenet")
    with pytest.raises(UserError, match="Cannot read the recipe file"):
        find_recipe("absent.json", "lenet")
    with pytest.raises(UserError, match="no published recipe"):
        find_recipe("published", "conv_pool")


def test_a_name_in_other_letters_has_the_same_recipe():
    assert find_recipe("default", "LeNet") == find_recipe("default", "lenet")
    assert find_recipe("published", "TinyVGG-3").name == "tinyvgg"


# As the code of each source has it; what is not named is the same in all of them.
SOURCES = {
    "fashioncnn": {
        "epochs": 100,
        "optimizer": "ranger21",
        "mode": "reference",
        "learning_rate": 0.01,
        "weight_decay": 1e-4,
        "test_each_epoch": True,
    },
    "fashionnet": {
        "epochs": 60,
        "batch_size": 1024,
        "shuffle": False,
        "optimizer": "adamw",
        "learning_rate": 3e-3,
        "weight_decay": 1e-5,
        "amsgrad": True,
        "schedule": "step",
        "step_epochs": 25,
        "step_factor": 0.1,
        "rotation": 20.0,
        "flip": True,
        "flip_share": 0.7,
        "preprocessing": "standardise",
        "data_split": "fashionnet",
    },
    "lenet-relu-final": {
        "batch_size": 20,
        "preprocessing": "standardise",
    },
    "batch-lr-grid": {"epochs": 10, "batch_size": 10},
    "logistic": {
        "epochs": 100,
        "batch_size": 32,
        "l2": 1e-4,
        "preprocessing": "symmetric",
        "data_split": "random",
    },
    "mlp": {
        "epochs": 300,
        "batch_size": 64,
        "learning_rate": 1e-4,
        "l2": 1e-5,
        "preprocessing": "symmetric",
        "data_split": "random",
    },
    "tinyvgg": {
        "epochs": 10,
        "batch_size": 32,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.0,
        "test_each_epoch": True,
    },
    "tinyvgg-linear": {
        "epochs": 10,
        "batch_size": 32,
        "learning_rate": 0.1,
        "test_each_epoch": True,
    },
}
SAME_IN_ALL = {
    "epochs": 20,
    "batch_size": 128,
    "optimizer": "adam",
    "mode": "fixed",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "init": "torch",
    "keep": "last",
    "data_split": "full",
    "precision": "float32",
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_published_recipe_is_as_its_source_s_code_has_it(name):
    plain = Recipe(name=name, keep="last")
    fields = SAME_IN_ALL | SOURCES[name]
    assert PUBLISHED[name] == dataclasses.replace(plain, **fields)


def test_recipes_with_faults_differ_in_the_fault_alone():
    for fault, recipe, change in (
        ("fashionnet-frozen", "fashionnet", {"freeze_after": 1}),
        ("logistic-softmax", "logistic", {"double_softmax": True}),
        ("mlp-softmax", "mlp", {"double_softmax": True}),
    ):
        changed = dataclasses.replace(PUBLISHED[recipe], name=fault, **change)
        assert FAULTS[fault] == changed


def test_the_page_of_training_names_every_published_recipe():
    page = (Path(__file__).parents[2] / "docs/training.md").read_text()
    assert [name for name in PUBLISHED if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_page_of_training_says_what_a_published_run_does(name):
    page = (Path(__file__).parents[2] / "docs/training.md").read_text()
    lines = page.split("| recipes | validation images |")[1].split("\n\n")[0]
    rows = [line.split("|")[1:4] for line in lines.splitlines()[2:]]
    names = {first: re.findall(r"`([\w-]+)`", first) for first, _, _ in rows}

    def is_meant(first):
        begins = names[first][0] if "begin so" in first else "-"
        ends = names[first][-1] if "with `-" in first else "?"
        listed = name in names[first]
        return listed or name.startswith(begins) or name.endswith(ends)

    [(validation, test)] = [row[1:] for row in rows if is_meant(row[0])]
    recipe = PUBLISHED[name]
    assert recipe.keep == "last"
    assert recipe.test_each_epoch == ("after each epoch too" in test)
    told = {
        "none: all 60,000": "full",
        "10,000 training images, not strat": "random",
        "6,000 of the test images": "fashionnet",
    }
    [split] = [split for words, split in told.items() if words in validation]
    assert recipe.data_split == split


def test_every_network_has_its_published_recipe():
    used = {find_recipe("published", name).name for name in list_models()}
    # The others are a source's second ones for the same network.
    others = {"batch-lr-grid", "standardise-grid", "fashionnet-plain"}
    assert used | others | set(FAULTS) == set(PUBLISHED)
    assert find_recipe("mlp", "cnn") == find_recipe("published", "mlp")
    for name in list_models():
        assert find_recipe("published", name).name == model_info(name).recipe


def test_trainings_that_began_otherwise_are_not_alike():
    card = {"model": "mlp", "recipe": Recipe().to_dict()}
    begun = card | {"start": {"sha256": "0", "file": "a.keras", "classes": ["a"]}}
    frozen = card | {"start": {"frozen": ["dense_1"]}}
    other = card | {"start": {"sha256": "1", "file": "a.keras", "classes": ["a"]}}
    for one, another in ((card, begun), (card, frozen), (begun, other)):
        assert not trained_alike(one, another)
    # The name of the file and what its card says change nothing.
    assert trained_alike(begun, card | {"start": {"sha256": "0", "file": "b.keras"}})
