"""On a processor other than the shipped benchmark's, `auto` measures for a second."""

import pytest

from fmkeras.recipes import Recipe
from fmkeras.training import auto, auto_measure
from fmkeras.training.auto import resolve_execution
from fmkeras.training.auto_measure import Way, measured, training_rate

AUTO = Recipe(epochs=10)


def figures(processor):
    rates = {"ours-torch": 100.0, "ours-torch-bfloat16": 150.0}
    models = {"mynet": {"train": rates, "first_step": {}}}
    return {
        "speed": {"cpu": {"machine": {"processor": processor}, "models": models}},
        "accuracy": {
            "mynet": {"float32": [0.9, 0.91, 0.92], "bfloat16": [0.9, 0.91, 0.92]}
        },
    }


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine on which bfloat16 is slow; the ways that were measured on it."""
    asked = []

    def rate(model_name, recipe, way):
        asked.append(way)
        return (80.0 if way.precision == "bfloat16" else 100.0), 1.0

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(auto_measure, "training_rate", rate)
    monkeypatch.setattr(auto_measure, "busy_cores", lambda: 0.0)
    monkeypatch.setattr(auto, "processor_name", lambda: "here")
    monkeypatch.setattr(auto, "device_kind", lambda: "cpu")
    monkeypatch.setattr(auto, "multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(auto.keras.backend, "backend", lambda: "torch")
    return asked


def resolve(monkeypatch, processor, recipe=AUTO, images=1_000, measure=True):
    monkeypatch.setattr(auto, "load_figures", lambda: figures(processor))
    return resolve_execution(recipe, "mynet", images, measure)


def test_the_processor_of_the_benchmark_goes_by_the_benchmark(monkeypatch, machine):
    found = resolve(monkeypatch, "here")
    assert (found.precision, machine) == ("bfloat16", [])
    assert found.reason == "the shipped record benchmark-cpu was made on here"


@pytest.mark.parametrize("processor", ["there", None])
def test_another_is_measured_once(monkeypatch, machine, processor):
    found = resolve(monkeypatch, processor)
    ways = [Way("torch", "float32"), Way("torch", "bfloat16")]
    assert (found.precision, machine) == ("float32", ways)
    assert found.reason.startswith("measured here for a second, on here; the shipped")
    # What was measured is in the user's cache.
    assert resolve(monkeypatch, processor).precision == "float32"
    assert machine == ways


def test_what_is_short_or_decided_is_not_measured(monkeypatch, machine):
    # 59 s by the shipped rate; 10 * 590 images at 100 a second.
    assert resolve(monkeypatch, "there", images=590).precision == "bfloat16"
    assert resolve(monkeypatch, "there", measure=False).precision == "bfloat16"
    for precision in ("float32", "bfloat16"):
        recipe = Recipe(epochs=10, precision=precision)
        assert resolve(monkeypatch, "there", recipe).precision == precision
    decided = Recipe(epochs=10, precision="float32", compile="no")
    assert resolve(monkeypatch, "there", decided).reason == ""
    assert machine == []


def test_a_damaged_measurement_is_made_again(machine, tmp_path):
    ways = [Way("torch", "float32")]
    first = measured("mynet", AUTO, ways, "here")
    (path,) = (tmp_path / "fmkeras" / "auto").iterdir()
    path.write_text("{")
    assert measured("mynet", AUTO, ways, "here") == first
    assert len(machine) == 2


@pytest.mark.every_backend
def test_noise_is_trained_on(monkeypatch):
    import keras

    monkeypatch.setattr(auto_measure, "SECONDS", 0.05)
    way = Way(keras.backend.backend(), "float32")
    rate, first = training_rate("linear", AUTO, way)
    assert rate > 0 and first > 0


@pytest.mark.every_backend
def test_what_auto_meant_when_a_run_began_holds(tmp_path, garments, monkeypatch):
    import keras

    from fmkeras.training import auto
    from fmkeras.training.auto import Execution
    from fmkeras.training.fit import fit

    class Stop(Exception):
        pass

    class StopAtOnce(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise Stop

    recipe = Recipe(epochs=2, batch_size=64)
    low = Execution("bfloat16", False, "CPU")
    with pytest.raises(Stop):
        fit(
            "linear",
            recipe,
            garments,
            folder=tmp_path,
            execution=low,
            callbacks=[StopAtOnce()],
        )
    monkeypatch.setattr(auto, "resolve_execution", None)
    assert fit("linear", recipe, garments, folder=tmp_path).record["precision"] == (
        "bfloat16"
    )
