"""`auto` is bfloat16 where records show it faster and as accurate, else float32."""

import json

import pytest

from fmkeras.precision import resolve_precision
from fmkeras.recipes import Recipe

AUTO = Recipe()


def write(folder, study, precision, accuracies, model="mynet"):
    for seed, accuracy in enumerate(accuracies):
        path = folder / study / f"{model}-torch-seed{seed}.json"
        path.parent.mkdir(exist_ok=True)
        record = {"model": model, "precision": precision, "test": {}}
        record["test"]["accuracy"] = accuracy
        path.write_text(json.dumps(record))


def records(folder, ratio=1.5, plain=(0.9, 0.91, 0.92), low=(0.9, 0.91, 0.92)):
    rates = {"ours-torch": {"median": 100.0}}
    rates["ours-torch-bfloat16"] = {"median": 100.0 * ratio}
    content = {"models": {"mynet": {"train": rates}, "vgg11": {"left_out": "large"}}}
    (folder / "benchmark-cpu.json").write_text(json.dumps(content))
    write(folder, "default", "float32", plain)
    write(folder, "default-bfloat16", "bfloat16", low)
    return folder


def resolve(folder, recipe=AUTO, model="mynet", backend="torch", device="cpu"):
    return resolve_precision(recipe, model, backend, device, folder)


def test_faster_and_as_accurate_is_bfloat16(tmp_path):
    assert resolve(records(tmp_path)) == "bfloat16"


def test_what_a_recipe_says_holds(tmp_path):
    records(tmp_path)
    assert resolve(tmp_path, Recipe(precision="float32")) == "float32"
    assert resolve(tmp_path / "none", Recipe(precision="bfloat16")) == "bfloat16"


@pytest.mark.parametrize(
    "case",
    [
        {"ratio": 1.04},
        {"low": (0.9, 0.91, 0.913)},
        {"low": (0.95, 0.95)},
        {"plain": (0.5, 0.5)},
    ],
    ids=["hardly faster", "less accurate", "two seeds", "two seeds of float32"],
)
def test_otherwise_it_is_float32(tmp_path, case):
    assert resolve(records(tmp_path, **case)) == "float32"


def test_what_was_not_measured_is_float32(tmp_path):
    assert resolve(tmp_path) == "float32"
    records(tmp_path)
    for other in ({"device": "gpu"}, {"backend": "jax"}, {"model": "vgg11"}):
        assert resolve(tmp_path, **other) == "float32"


def test_a_loss_within_the_bar_is_borne(tmp_path):
    low = (0.899, 0.909, 0.917)
    assert resolve(records(tmp_path, low=low)) == "bfloat16"
