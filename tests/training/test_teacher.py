"""The model that a training learns from: which files serve, and what is said of it."""

import dataclasses

import keras
import numpy as np
import pytest

from fmkeras.datasets.splits import split_dataset
from fmkeras.errors import UserError
from fmkeras.models import build_model
from fmkeras.recipes import Recipe
from fmkeras.training.run import train
from fmkeras.training.teacher import build_teacher, teacher_warning

RECIPE = Recipe(epochs=1, precision="float32", compile="no")


@pytest.fixture(scope="module")
def teacher(garments, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    run = train("logistic_regression", RECIPE, garments, out=folder, runs=folder / "r")
    return str(run.artifact)


@pytest.mark.parametrize("split", ["random", "fashionnet"])
def test_a_teacher_with_as_many_images_held_back_or_not(teacher, garments, split):
    recipe = dataclasses.replace(RECIPE, teacher=teacher, data_split=split)
    parts = split_dataset(garments, 0, split)
    assert "may have been trained on" in teacher_warning(recipe, garments, parts)


def test_a_teacher_of_other_classes_is_refused(teacher, garments, tmp_path):
    names = tuple(f"letter {number}" for number in range(10))
    letters = dataclasses.replace(garments, class_names=names)
    recipe = dataclasses.replace(RECIPE, teacher=teacher)
    with pytest.raises(UserError, match="has other classes than the data set"):
        train("linear", recipe, letters, out=None, runs=tmp_path)
    assert not list(tmp_path.glob("*/config.json"))


@pytest.mark.parametrize("end", ["logits", "softmax", "inner"])
def test_the_kind_of_its_outputs_is_found(end, garments, tmp_path):
    logits = build_model("linear", seed=1)
    model = build_model("linear", seed=1, head="probabilities")
    if end == "inner":
        inputs = keras.Input((28, 28, 1))
        model = keras.Model(inputs, model(inputs))
    path = tmp_path / "mine.keras"
    (logits if end == "logits" else model).save(path)
    recipe = dataclasses.replace(RECIPE, teacher=str(path))
    teacher = build_teacher(recipe, "float32", garments)
    assert teacher.gives_logits == (end != "inner")
    images = garments.x_train[:4, ..., None].astype(np.float32)
    expected = logits if teacher.gives_logits else model
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(teacher.model(images)),
        keras.ops.convert_to_numpy(expected(images)),
        rtol=1e-5,
        atol=1e-5,
    )


def test_a_teacher_that_may_know_the_validation_images_is_told(teacher, garments):
    recipe = dataclasses.replace(RECIPE, teacher=teacher)
    same = split_dataset(garments, 0, "holdout")
    assert teacher_warning(recipe, garments, same) is None
    other = split_dataset(garments, 1, "holdout")
    assert "biased" in teacher_warning(recipe, garments, other)
    assert teacher_warning(RECIPE, garments, other) is None
    everything = split_dataset(garments, 0, "full")
    assert teacher_warning(recipe, garments, everything) is None
