"""The proof against PyTorch: small networks pass, a broken one fails."""

import json

import keras
import pytest

from fmkeras.benchmark.parity import measure
from fmkeras.benchmark.parity import run as parity_run
from fmkeras.benchmark.parity.measure import compare, measure_parity
from fmkeras.benchmark.parity.run import (
    TOLERANCES,
    has_passed,
    parity_names,
    run_parity,
)
from fmkeras.benchmark.pytorch.build import build_twin
from fmkeras.errors import UserError
from fmkeras.experiments.published_figures import FIGURES
from fmkeras.models import build_model, model_info
from fmkeras.report.tables.parity import parity_table

every_backend = pytest.mark.every_backend
SMALL = {"growth": 4, "layers_per_block": (1, 1)}


def as_result(parity):
    return json.loads(json.dumps(vars(parity)))


def compare_changed(name, change=lambda layers: None, **options):
    """Compare a network, changed in its configuration, with its twin."""
    config = build_model(name, **options).get_config()
    change({layer["name"]: layer["config"] for layer in config["layers"]})
    model, twin = keras.Model.from_config(config), build_twin(name, **options)
    count = sum(parameter.numel() for parameter in twin.parameters())
    return as_result(compare(model, twin, count, batch=2, steps=2))


@every_backend
@pytest.mark.parametrize(
    "name",
    [
        "lenet_relu",
        pytest.param("cnn", marks=pytest.mark.slow),
        pytest.param("fashionnet", marks=pytest.mark.slow),
    ],
)
def test_small_networks_equal_their_twins(name):
    result = as_result(measure_parity(name))
    assert result["backend"] == keras.backend.backend()
    assert result["expected_parameters"] == model_info(name).parameters
    assert has_passed(result), result


def test_the_network_of_64_pixels_equals_its_twin():
    """FashionNet's figures are of this one; batch and steps are few, to be quick."""
    name = "fashionnet_64"
    model, twin = build_model(name, dropout=0.0), build_twin(name, dropout=0.0)
    result = as_result(compare(model, twin, 669_674, batch=2, steps=2))
    assert has_passed(result), result


def test_every_network_with_a_published_figure_is_compared():
    assert set(parity_names()) >= {figure.model for figure in FIGURES}
    assert "vgg19" not in parity_names()


@every_backend
def test_a_changed_stride_turns_it_red():
    def change_stride(layers):
        layers["stem_pool"]["strides"] = (1, 1)

    small = {"growth": 4, "layers_per_block": (1,)}
    assert has_passed(compare_changed("densenet", **small))
    broken = compare_changed("densenet", change_stride, **small)
    assert not has_passed(broken)
    # Same weights, same count: only the figures can tell.
    assert broken["parameters"] == broken["expected_parameters"]
    for figure in ("inference", "training", "gradients"):
        assert broken[figure] > 10 * TOLERANCES[figure], (figure, broken)


def test_a_changed_activation_turns_it_red():
    def change_slope(layers):
        layers["leaky_relu_2"]["negative_slope"] = 0.02

    assert has_passed(compare_changed("mlp"))
    assert not has_passed(compare_changed("mlp", change_slope))


def test_the_adam_of_keras_turns_it_red(monkeypatch):
    """Its epsilon weighs more in the first steps; with SGD nothing shows."""

    def keras_adam(rate):
        return keras.optimizers.Adam(rate, epsilon=1e-8)

    monkeypatch.setattr(measure, "TorchAdam", keras_adam)
    result = as_result(measure_parity("mlp"))
    assert result["losses"] < TOLERANCES["losses"]
    assert result["adam_losses"] > 10 * TOLERANCES["adam_losses"]
    assert not has_passed(result)


def test_rows_from_before_a_measure_say_so():
    old = {k: v for k, v in GOOD.items() if not k.startswith("adam")}
    old["proven"] = True
    assert "| 4.0e-06 | pending | pending |" in parity_table({"results": [old]})


GOOD = {
    "name": "lenet",
    "backend": "torch",
    "parameters": 61_706,
    "expected_parameters": 61_706,
    "inference": 1e-6,
    "training": 2e-6,
    "gradients": 3e-6,
    "losses": 4e-6,
    "adam_losses": 4e-6,
    "adam_rounding": 1e-6,
    "gradient_draws": [3e-6],
    "batch": 8,
    "steps": 20,
    "seconds": 1.0,
}


@pytest.mark.parametrize(
    ("change", "proven"),
    [
        ({}, True),
        ({"parameters": 61_705}, False),
        ({"inference": 2e-4}, False),
        ({"training": float("nan")}, False),
        ({"gradients": 2e-3}, False),
        ({"losses": float("nan")}, False),
        ({"adam_losses": 2e-3}, False),
        ({"adam_losses": 2e-3, "adam_rounding": 1e-3}, True),
        ({"adam_losses": 4e-3, "adam_rounding": 1e-3}, False),
        ({"adam_losses": 2e-3, "adam_rounding": float("nan")}, False),
        ({"adam_losses": float("nan"), "adam_rounding": 1.0}, False),
    ],
)
def test_what_counts_as_proven(change, proven):
    assert has_passed(GOOD | change) == proven


@pytest.mark.slow
def test_a_run_in_a_process_writes_a_record(tmp_path):
    lines = []
    path = tmp_path / "parity.json"
    record = run_parity(
        ["logistic_regression"], backends=["torch"], out=path, log=lines.append
    )
    assert json.loads(path.read_text()) == record
    assert record["proven"] and record["bars"] == TOLERANCES
    assert record["results"][0]["versions"]["keras"] == keras.__version__
    assert len(lines) == 1 and lines[0].startswith("torch      logistic_regression")
    assert "| `logistic_regression` | 7,850 |" in parity_table(record)


def test_bad_arguments_end_in_one_line(tmp_path):
    with pytest.raises(UserError, match="Did you mean lenet"):
        run_parity(["lenett"], out=None)
    with pytest.raises(UserError, match="torch, tensorflow, jax"):
        run_parity(["linear"], backends=["nonsense"], out=None)
    (tmp_path / "odd.json").write_text("[]")
    with pytest.raises(UserError, match="Cannot read the parity record"):
        run_parity(["linear"], out=tmp_path / "odd.json")


def test_a_record_keeps_what_was_not_measured_again(tmp_path, monkeypatch):
    monkeypatch.setattr(parity_run, "_measure", fake_measure(1e-6))
    out = tmp_path / "parity.json"
    first = run_parity(["cnn", "lenet"], out=out, log=lambda line: None)
    assert first["proven"] and len(first["results"]) == 6
    monkeypatch.setattr(parity_run, "_measure", fake_measure(2e-3))
    lines = []
    again = run_parity(["cnn"], backends=["jax"], out=out, log=lines.append)
    assert lines[0].endswith("NOT PROVEN")
    assert not again["proven"]
    assert [(row["backend"], row["name"]) for row in again["results"]] == [
        (backend, name)
        for backend in ("torch", "tensorflow", "jax")
        for name in ("lenet", "cnn")
    ]
    assert [row["gradients"] for row in again["results"]] == [1e-6] * 5 + [2e-3]
    lenet, cnn = parity_table(again).splitlines()[2:]
    assert lenet.endswith("| 8 x 20 | torch, tensorflow, jax |")
    assert "| 2.0e-03 |" in cnn and cnn.endswith("| torch, tensorflow |")


def fake_measure(gradients):
    def measure(backend, names):
        for name in names:
            yield GOOD | {"name": name, "backend": backend, "gradients": gradients}

    return measure
