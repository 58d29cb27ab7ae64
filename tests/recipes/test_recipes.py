import json

import pytest

from fmkeras.errors import UserError
from fmkeras.models import list_models, model_info
from fmkeras.recipes import FAULTS, PUBLISHED, Recipe, find_recipe

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


def test_every_network_has_its_published_recipe():
    used = {find_recipe("published", name).name for name in list_models()}
    # The others are a source's second ones for the same network.
    others = {"batch-lr-grid", "standardise-grid", "fashionnet-plain"}
    assert used | others | set(FAULTS) == set(PUBLISHED)
    assert find_recipe("mlp", "cnn") == find_recipe("published", "mlp")
    for name in list_models():
        assert find_recipe("published", name).name == model_info(name).recipe
