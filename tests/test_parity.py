"""The proof against PyTorch: small networks pass, a broken one fails."""

import json

import keras
import pytest

from fmkeras.benchmark import parity_record
from fmkeras.benchmark.parity import compare, measure_parity
from fmkeras.benchmark.parity_record import BARS, is_proven, run_parity
from fmkeras.benchmark.twins import build_twin
from fmkeras.errors import UserError
from fmkeras.models import build_model, model_info
from fmkeras.report.parity_table import parity_table

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
    assert is_proven(result), result


@every_backend
def test_a_changed_stride_turns_it_red():
    def change_stride(layers):
        layers["stem_pool"]["strides"] = (1, 1)

    small = {"growth": 4, "layers_per_block": (1,)}
    assert is_proven(compare_changed("densenet", **small))
    broken = compare_changed("densenet", change_stride, **small)
    assert not is_proven(broken)
    # Same weights, same count: only the figures can tell.
    assert broken["parameters"] == broken["expected_parameters"]
    for measure in ("inference", "training", "gradients"):
        assert broken[measure] > 10 * BARS[measure], (measure, broken)


def test_a_changed_activation_turns_it_red():
    def change_slope(layers):
        layers["leaky_relu_2"]["negative_slope"] = 0.02

    assert is_proven(compare_changed("mlp"))
    assert not is_proven(compare_changed("mlp", change_slope))


GOOD = {
    "name": "lenet",
    "backend": "torch",
    "precision": "float32",
    "parameters": 61_706,
    "expected_parameters": 61_706,
    "inference": 1e-6,
    "training": 2e-6,
    "gradients": 3e-6,
    "losses": 4e-6,
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
        # float64 decides about gradients and losses, with a hundredth of the bar ...
        ({"gradients": 2e-3, "float64": GOOD | {"inference": 1e-7}}, False),
        ({"gradients": 2e-3, "float64": dict.fromkeys(BARS, 1e-7)}, True),
        # ... but cannot mend logits or a count.
        ({"inference": 2e-4, "float64": dict.fromkeys(BARS, 1e-7)}, False),
        ({"parameters": 1, "float64": dict.fromkeys(BARS, 1e-7)}, False),
    ],
)
def test_what_counts_as_proven(change, proven):
    assert is_proven(GOOD | change) == proven


def test_a_run_in_a_process_writes_a_record(tmp_path):
    lines = []
    path = tmp_path / "parity.json"
    record = run_parity(
        ["logistic_regression"], backends=["torch"], out=path, report=lines.append
    )
    assert json.loads(path.read_text()) == record
    assert record["proven"] and record["bars"] == BARS
    assert record["versions"]["keras"] == keras.__version__
    assert len(lines) == 1 and lines[0].startswith("torch      logistic_regression")
    assert "| `logistic_regression` | 7,850 |" in parity_table(record)
    with pytest.raises(UserError, match="Did you mean lenet"):
        run_parity(["lenett"], out=None)
    with pytest.raises(UserError, match="parity run on nonsense stopped"):
        run_parity(["linear"], backends=["nonsense"], out=None)


def test_float64_is_asked_where_float32_fails(monkeypatch):
    asked = []

    def measure(backend, precision, names):
        asked.append((precision, names))
        for name in names:
            result = GOOD | {"name": name, "backend": backend, "precision": precision}
            if precision == "float32":
                yield result | {"gradients": 2e-3 if name == "cnn" else 1e-6}
            else:
                yield result | dict.fromkeys(BARS, 1e-7)

    monkeypatch.setattr(parity_record, "_measure", measure)
    lines = []
    record = run_parity(
        ["lenet", "cnn"], backends=["jax"], out=None, report=lines.append
    )
    assert asked == [("float32", ["lenet", "cnn"]), ("float64", ["cnn"])]
    assert record["proven"]
    assert "above a bar" in lines[1]
    assert "2.0e-03 (float64: 1.0e-07)" in parity_table(record)
    assert parity_table(record).splitlines()[2].endswith("| 8 x 20 | jax |")
