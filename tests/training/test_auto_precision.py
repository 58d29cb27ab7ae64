"""`auto` is bfloat16 where it was measured faster and as accurate, else float32."""

import keras
import pytest

from fmkeras.engines import device
from fmkeras.recipes import Recipe, find_recipe
from fmkeras.training import auto
from fmkeras.training.auto import resolve_execution, resolve_precision

AUTO = Recipe()


def figures(ratio=1.5, plain=(0.9, 0.91, 0.92), low=(0.9, 0.91, 0.92)):
    rates = {"ours-torch": 100.0, "ours-torch-bfloat16": 100.0 * ratio}
    return {
        "speed": {"cpu": {"models": {"mynet": {"train": rates, "first_step": {}}}}},
        "accuracy": {"mynet": {"float32": list(plain), "bfloat16": list(low)}},
    }


NOTHING = {"speed": {}, "accuracy": {}}


def resolve(
    figures, recipe=AUTO, model="mynet", backend="torch", device="cpu", native=True
):
    return resolve_precision(recipe, model, backend, device, lambda: native, figures)


def test_faster_and_as_accurate_is_bfloat16():
    assert resolve(figures()) == "bfloat16"


def test_a_device_without_units_for_it_takes_float32():
    assert resolve(figures(), native=False) == "float32"
    low = Recipe(precision="bfloat16")
    assert resolve(NOTHING, low, native=False) == "bfloat16"


@pytest.mark.parametrize(
    ("line", "native"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16", True),
        ("flags\t\t: fpu avx2 avx512f", False),
        ("Features\t: fp asimd bf16", True),
        ("", False),
    ],
)
def test_the_processor_says_what_it_can_do(line, native, tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: Some: CPU\n{line}\n\n")
    monkeypatch.setattr(device, "CPUINFO", cpuinfo)
    monkeypatch.setattr(device, "device_kind", lambda: "cpu")
    assert device.has_bfloat16_hardware("cpu") == native
    # jax converts on every CPU.
    converts = keras.backend.backend() == "jax"
    assert device.multiplies_bfloat16() == (native and not converts)
    assert device.describe_device().startswith("CPU (Some: CPU, ")


@pytest.mark.parametrize(
    ("capability", "native"), [("9.0", True), ("7.5", False), (None, False)]
)
def test_a_gpu_says_it_by_its_capability(capability, native, monkeypatch):
    monkeypatch.setattr(device, "device_kind", lambda: "gpu")
    monkeypatch.setattr(device, "_nvidia_gpu", lambda what: capability)
    assert device.multiplies_bfloat16() == native


def test_what_a_recipe_says_holds():
    assert resolve(figures(), Recipe(precision="float32")) == "float32"
    assert resolve(NOTHING, Recipe(precision="bfloat16")) == "bfloat16"


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
def test_otherwise_it_is_float32(case):
    assert resolve(figures(**case)) == "float32"


def test_what_was_not_measured_is_float32():
    assert resolve(NOTHING) == "float32"
    for other in ({"device": "gpu"}, {"backend": "jax"}, {"model": "vgg11"}):
        assert resolve(figures(), **other) == "float32"


def test_a_loss_within_the_bar_is_borne():
    low = (0.899, 0.909, 0.917)
    assert resolve(figures(low=low)) == "bfloat16"


@pytest.mark.parametrize("native", [True, False])
def test_the_recipes_of_large_networks_need_no_hardware(native, monkeypatch):
    monkeypatch.setattr(auto, "multiplies_bfloat16", lambda: native)
    for name in ("fmk_100k", "resnet18"):
        execution = resolve_execution(find_recipe("default", name), name, 60_000)
        assert execution.precision == ("bfloat16" if native else "float32")
        assert not execution.warning


def test_bfloat16_without_hardware_is_obeyed_and_warned_of(monkeypatch):
    monkeypatch.setattr(auto, "multiplies_bfloat16", lambda: False)
    recipe = Recipe(precision="bfloat16", compile="no")
    execution = resolve_execution(recipe, "mynet", 60_000)
    assert execution.precision == "bfloat16"
    assert "expected PRECISION=float32 or bfloat16-if-native" in execution.warning
