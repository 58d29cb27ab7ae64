"""Models of other projects as exports have them: pixels in, probabilities out."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from fmkeras.__main__ import main
from fmkeras.artifacts.lookup import load_for_dataset
from fmkeras.artifacts.pixels import RANGES
from fmkeras.engines import predict
from fmkeras.evaluation.evaluate import as_probabilities, output_kind
from fmkeras.export import export as export_module
from fmkeras.export.export import export_model, open_source
from fmkeras.export.formats import FORMATS
from fmkeras.export.standard import standard_model

KINDS = {"logits": None, "sigmoids": "sigmoid", "probabilities": "softmax"}
SHAPES = ((28, 28, 1), (28, 28), (None, None, 1))


def foreign_model(kind, shape=(28, 28, 1), dtype="float32", second=False, classes=10):
    """A model as another project may save it, with names that exports use too."""
    layers = keras.layers
    keras.utils.set_random_seed(3)
    inputs = keras.Input(shape, dtype=dtype, name="image")
    x = layers.Rescaling(1 / 255, name="pixels")(inputs)
    if None in shape:
        x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 5, strides=2)(x))
    else:
        x = layers.Flatten(name="reshape")(x)
    scores = layers.Dense(classes, activation=KINDS[kind], name="probabilities")(x)
    outputs = [layers.Dense(3, name="second")(x), scores] if second else scores
    return keras.Model(inputs, outputs, name="foreign")


@pytest.fixture
def opened(tmp_path, garments):
    """Saves a model, and opens it as the export does."""

    def open_again(model):
        path = tmp_path / "foreign.keras"
        model.save(path)
        return path, load_for_dataset(path, tmp_path, garments)

    return open_again


@pytest.mark.every_backend
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_model_becomes_one_of_pixels_and_probabilities(
    kind, shape, garments, tmp_path
):
    images = garments.x_test[:50]
    model = foreign_model(kind, shape)
    given = predict(model, images).astype(np.float64)
    assert output_kind(given) == kind

    standard_model(model, kind).save(tmp_path / "standard.keras")
    found = keras.models.load_model(tmp_path / "standard.keras", safe_mode=True)

    assert found.inputs[0].shape == (None, 28, 28, 1)
    assert found.inputs[0].dtype == found.outputs[0].dtype == "float32"
    pixels = images.astype(np.float32)[..., None]
    received = found.predict(pixels, verbose=0)
    np.testing.assert_allclose(received, as_probabilities(given), atol=1e-6)


@pytest.mark.every_backend
def test_whole_numbers_and_a_second_output(garments, opened):
    images = garments.x_test[:50]
    _, model = opened(foreign_model("logits", dtype="uint8", second=True))
    given = predict(model, images).astype(np.float64)
    found = standard_model(model, "logits")
    received = found.predict(images.astype(np.float32)[..., None], verbose=0)
    np.testing.assert_allclose(received, as_probabilities(given), atol=1e-6)


def test_no_sigmoid_at_all_is_as_likely_as_any():
    inputs = keras.Input((28, 28, 1))
    nothing = keras.layers.Flatten()(inputs)[:, :4] * 0.0
    found = standard_model(keras.Model(inputs, nothing), "sigmoids")
    pixels = np.ones((2, 28, 28, 1), np.float32)
    np.testing.assert_allclose(found.predict(pixels, verbose=0), np.full((2, 4), 0.25))


@pytest.fixture
def without_processes(monkeypatch):
    """Runs in place of a format's converter and runtime the model they are given."""

    def convert(export_format, path, ready, file, images):
        file.write_bytes(ready.read_bytes())

    def run(name, backend, file, work, repeats):
        found = keras.models.load_model(file)
        shares = found.predict(np.load(work / "images.npy"), verbose=0)
        return {"probabilities": shares, "one": shares[:1], "seconds": []}

    monkeypatch.setattr(export_module, "_run_convert", convert)
    monkeypatch.setattr(export_module, "_run_runtime", run)


def test_an_export_has_the_names_of_its_data(
    without_processes, garments, opened, tmp_path
):
    names = tuple("abcdefghij")
    path, _ = opened(foreign_model("logits"))
    data = dataclasses.replace(garments, class_names=names)
    facts = export_model(path, "keras-int8", data, tmp_path / "out", repeats=0)
    assert (facts["outputs"], facts["pixels"]) == ("logits", "0..255")
    assert facts["max_difference"] < 1e-5
    folder = tmp_path / "out/foreign/keras-int8"
    assert (folder / "labels.txt").read_text().split() == list(names)
    assert json.loads((folder / "card.json").read_text())["classes"] == list(names)


def test_an_export_takes_the_range_of_pixels(
    without_processes, opened, garments, tmp_path, capsys
):
    scale, offset = RANGES["-1..1"]
    inputs = keras.Input((28, 28, 1))
    flat = keras.layers.Flatten()(inputs)
    means = np.stack(
        [
            garments.x_train[garments.y_train == label].mean(axis=0).ravel()
            for label in range(10)
        ]
    )
    means = means * scale + offset
    model = keras.Model(inputs, keras.layers.Dense(10)(flat))
    model.set_weights([means.T, -0.5 * (means**2).sum(axis=1)])
    path, _ = opened(model)
    capsys.readouterr()
    flags = ["--data", "garments", "--train-size", "400", "--test-size", "200"]
    flags += ["--format", "keras-int8", "--out", str(tmp_path / "out"), "--no-timing"]
    words = ["export", "--model", str(path), *flags, "--pixels", "-1..1"]
    assert main(words) == 0
    assert "seems to have been trained" not in capsys.readouterr().err
    facts = json.loads((tmp_path / "out/foreign/keras-int8/export.json").read_text())
    assert facts["pixels"] == "-1..1"
    assert facts["accuracy"] == facts["source_accuracy"] > 0.5


@pytest.mark.slow
def test_a_foreign_model_is_exported_and_timed_on_the_processor(
    opened, garments, tmp_path
):
    path, _ = opened(foreign_model("sigmoids", (28, 28), second=True))
    facts = export_model(path, "torch", garments, tmp_path, repeats=2)
    assert facts["same_classes"] == 200 and facts["device"].startswith("CPU (")


@pytest.mark.export
@pytest.mark.parametrize("kind", ["logits", "sigmoids"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_foreign_models(name, kind, garments, opened, tmp_path):
    if missing := FORMATS[name].missing():
        pytest.skip(f"needs {', '.join(missing)}: make test-export installs them")
    path, _ = opened(foreign_model(kind, (28, 28), second=True))
    source = open_source(path, garments)
    facts = export_model(path, name, garments, tmp_path, source=source, repeats=0)
    assert facts["outputs"] == kind
    assert facts["max_difference"] < (0.1 if FORMATS[name].quantized else 1e-4)


def test_the_processes_of_an_export_see_no_gpu(monkeypatch):
    seen = []
    done = dataclasses.make_dataclass("Done", ["returncode"])(0)

    def run(words, env, **flags):
        seen.append(env)
        return done

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(export_module.subprocess, "run", run)
    export_module._run_process("a.module", [], "torch", "run it")
    assert seen[0]["CUDA_VISIBLE_DEVICES"] == ""
    assert seen[0]["KERAS_BACKEND"] == "torch"
