"""Models in other formats: written, opened by their own runtimes, compared."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fmkeras.errors import UserError
from fmkeras.export.bundle import example_text
from fmkeras.export.formats import FORMATS, check_packages, find_format

keras = pytest.importorskip("keras")
from fmkeras.artifacts.keras_file import save_artifact  # noqa: E402
from fmkeras.export import export as export_module  # noqa: E402
from fmkeras.export.export import (  # noqa: E402
    ExportFailed,
    check_equal,
    compare,
    export_model,
)
from fmkeras.export.runtimes import RUNTIMES, busy_cores, measure  # noqa: E402
from fmkeras.export.table import export_rows, record_exports  # noqa: E402

NAMES = ("circle", "square", "cross")


@pytest.fixture(scope="module")
def dataset(garments):
    return dataclasses.replace(
        garments,
        y_train=garments.y_train % 3,
        y_test=garments.y_test % 3,
        class_names=NAMES,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small convolutional model of three classes, with its card."""
    layers = keras.layers
    keras.utils.set_random_seed(1)
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = layers.Rescaling(1 / 255, name="rescale")(pixels)
    x = layers.Conv2D(4, 3, name="conv")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.MaxPooling2D(2, name="pool")(layers.ReLU(name="relu")(x))
    logits = layers.Dense(3, name="logits")(layers.Flatten(name="flatten")(x))
    folder = tmp_path_factory.mktemp("models")
    model = keras.Model(pixels, logits, name="small")
    return save_artifact(model, "small", {"model": "small"}, folder, NAMES)


def check_bundle(folder, facts, export_format):
    assert (folder / "labels.txt").read_text().splitlines() == list(NAMES)
    assert json.loads((folder / "card.json").read_text())["classes"] == list(NAMES)
    assert json.loads((folder / "export.json").read_text()) == facts
    readme = (folder / "README.md").read_text()
    assert (
        facts["file"] in readme
        and "0 to 255" in readme
        and "python example" in (readme)
    )
    assert (folder / facts["file"]).exists()
    assert facts["free_batch"] and facts["images"] == facts["test_images"] == 200
    if not export_format.quantized:
        assert facts["max_difference"] < 1e-4 and facts["same_classes"] == 200
        assert facts["accuracy"] == facts["source_accuracy"]
    assert not [path for path in folder.parent.iterdir() if path.name[0] == "."]


def run_example(folder, dataset, tmp_path):
    picture = tmp_path / "picture.png"
    Image.fromarray(dataset.x_test[0]).save(picture)
    answer = subprocess.run(
        [sys.executable, "example.py", str(picture)],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()[-1]


@pytest.mark.slow
def test_a_torch_export_equals_the_model_and_its_example_runs(saved, dataset, tmp_path):
    facts = export_model(saved, "torch", dataset, tmp_path, repeats=2)
    folder = tmp_path / "small" / "torch"
    check_bundle(folder, facts, FORMATS["torch"])
    assert facts["latency_ms"]["images"] == 2 and facts["latency_ms"]["median"] > 0
    model = keras.models.load_model(saved)
    shares = model.predict(dataset.x_test[:1, ..., None], verbose=0)[0]
    best = int(shares.argmax())
    said = run_example(folder, dataset, tmp_path)
    assert said == f"{NAMES[best]} {shares[best]:.1%}"


@pytest.mark.export
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "torch"])
def test_every_format_equals_the_model(name, saved, dataset, tmp_path):
    export_format = FORMATS[name]
    if missing := export_format.missing():
        pytest.skip(f"needs {', '.join(missing)}: make test-export installs them")
    facts = export_model(saved, name, dataset, tmp_path, repeats=0)
    folder = tmp_path / "small" / name
    check_bundle(folder, facts, export_format)
    assert "latency_ms" not in facts
    assert run_example(folder, dataset, tmp_path).split()[0] in NAMES


@pytest.mark.export
def test_every_activation_becomes_onnx(dataset, tmp_path):
    """tf2onnx leaves the operators it does not know in a file that nothing runs."""
    if missing := FORMATS["onnx"].missing():
        pytest.skip(f"needs {', '.join(missing)}: make test-export installs them")
    layers = keras.layers
    # glu halves what a layer of activation takes to keep its shape.
    other = {"deserialize", "get", "serialize", "glu", "threshold"}
    names = [n for n in dir(keras.activations) if n[0] != "_" and n not in other]
    assert {"gelu", "celu", "mish"} <= set(names)
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = layers.Flatten(name="flatten")(layers.Rescaling(1 / 255, name="scale")(pixels))
    x = layers.Dense(8, name="dense")(x)
    branches = [layers.Activation(name, name=name)(x) for name in names]
    x = layers.Concatenate(name="all")(branches)
    logits = layers.Dense(3, name="logits")(x)
    folder = tmp_path / "models"
    model = keras.Model(pixels, logits, name="activations")
    path = save_artifact(model, "activations", {"model": "activations"}, folder, NAMES)
    facts = export_model(path, "onnx", dataset, tmp_path, repeats=0)
    assert facts["same_classes"] == facts["images"]


def test_every_format_has_a_runtime_and_an_example():
    for name, export_format in FORMATS.items():
        assert name in RUNTIMES
        text = example_text(export_format, "cnn")
        compile(text, name, "exec")
        assert export_format.filename("cnn") in text


def test_a_folder_that_is_no_export_is_left_alone(saved, dataset, tmp_path):
    folder = tmp_path / "small" / "torch"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is no export.*OUT="):
        export_model(saved, "torch", dataset, tmp_path)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_a_file_that_computes_something_else_is_not_kept(
    saved, dataset, tmp_path, monkeypatch
):
    wrong = np.full((200, 3), 1 / 3)
    result = {"probabilities": wrong, "one": wrong[:1], "seconds": []}
    monkeypatch.setattr(export_module, "_run_convert", lambda *words: None)
    monkeypatch.setattr(export_module, "_run_runtime", lambda *words: result)
    with pytest.raises(ExportFailed, match="computes something else"):
        export_model(saved, "torch", dataset, tmp_path)
    assert list((tmp_path / "small").iterdir()) == []


def test_differences_are_counted():
    expected = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    received = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    labels = np.array([0, 1, 0])
    result = {"probabilities": received, "one": received[:1], "seconds": [0.002, 0.004]}
    result |= {"busy_cores": np.float64("nan")}
    facts = compare(expected, result, labels)
    assert facts["max_difference"] == pytest.approx(0.2)
    assert (facts["same_classes"], facts["images"]) == (2, 3)
    assert facts["accuracy"] == pytest.approx(2 / 3)
    assert facts["source_accuracy"] == 1
    assert facts["latency_ms"]["median"] == pytest.approx(3)
    assert facts["latency_ms"]["busy_cores"] is None
    facts |= {"model": "cnn", "format": "onnx", "bytes": 1, "source_bytes": 2}
    with pytest.raises(ExportFailed, match="2 of 3 classes"):
        check_equal(FORMATS["onnx"], facts)
    check_equal(FORMATS["litert-int8"], facts)
    assert "2/3" in export_rows([facts]) and "3.000" in export_rows([facts])


def test_a_runtime_is_measured_in_batches_and_alone():
    sizes = []

    def run(pixels):
        sizes.append(len(pixels))
        return np.zeros((len(pixels), 3))

    found = measure(run, np.zeros((1_200, 28, 28, 1), np.float32), 3)
    assert found["probabilities"].shape == (1_200, 3)
    assert sizes[:4] == [1, 500, 500, 200] and set(sizes[4:]) == {1}
    assert len(found["seconds"]) == 3 and found["busy_cores"] >= 0
    assert "busy_cores" not in measure(run, np.zeros((1, 28, 28, 1)), 0)


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="Linux tells it")
def test_another_process_that_computes_is_noticed():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            assert max(busy_cores() for _ in range(10)) > 0.3
        finally:
            other.kill()


def test_what_is_missing_is_told(monkeypatch):
    with pytest.raises(UserError, match="onnx, litert.*Received: 'coreml'"):
        find_format("coreml")
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "openvino" else 1
    )
    with pytest.raises(UserError, match=r"expected openvino: pip install"):
        check_packages(FORMATS["openvino"])


def test_the_record_keeps_other_exports(tmp_path):
    path = tmp_path / "exports.json"
    old = [{"model": m, "format": "onnx", "bytes": 1} for m in ("cnn", "mlp")]
    path.write_text(json.dumps({"exports": old}))
    new = record_exports([{"model": "cnn", "format": "onnx", "bytes": 2}], path)
    assert [(one["model"], one["bytes"]) for one in new["exports"]] == [
        ("cnn", 2),
        ("mlp", 1),
    ]
    assert new["exports"][0]["versions"]["keras"]
    drawn = {"model": "cnn", "format": "onnx", "dataset": {"name": "garments"}}
    assert len(record_exports([drawn], path)["exports"]) == 3
    path.write_text("[]")
    with pytest.raises(UserError, match="is damaged"):
        record_exports([], path)


def test_a_bad_format_ends_with_code_2_and_writes_nothing(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-m", "fmkeras", "export", "--model", "cnn"]
        + ["--format", "coreml", "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert answer.returncode == 2 and not (tmp_path / "out").exists()
    assert answer.stderr.startswith("fmkeras: Unknown format")
    assert answer.stderr.count("\n") == 1
