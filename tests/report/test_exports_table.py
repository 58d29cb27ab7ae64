"""The tables of exports: of the files that are there, busy timings marked."""

import hashlib
import json

import pytest

from fmkeras.report.tables.exports import exports_table

CONTENT = b"a model"


def export(model, name, difference=1e-6, accuracy=0.9, busy=0.0, content=CONTENT):
    return {
        "model": model,
        "format": name,
        "bytes": 2_000_000,
        "source_bytes": 1_000_000,
        "source_sha256": hashlib.sha256(content).hexdigest(),
        "images": 1_000,
        "same_classes": 1_000,
        "max_difference": difference,
        "accuracy": accuracy,
        "source_accuracy": 0.9,
        "device": "CPU (two cores)",
        "latency_ms": {"median": 0.25, "busy_cores": busy},
    }


@pytest.fixture
def root(tmp_path):
    saved = tmp_path / "saved_models"
    (saved / "records").mkdir(parents=True)
    for name in ("cnn", "changed", "new"):
        (saved / f"{name}.keras").write_bytes(CONTENT)
    exports = [
        export("cnn", "onnx"),
        export("cnn", "torch", difference=3e-5, busy=0.7),
        export("cnn", "litert-int8", difference=0.2, accuracy=0.895),
        export("changed", "onnx", content=b"before"),
        export("gone", "onnx"),
    ]
    (saved / "records/exports.json").write_text(json.dumps({"exports": exports}))
    return tmp_path


def test_what_was_exported_of_another_file_is_left_out_and_said(root):
    for part in ("size", "difference", "int8", "latency"):
        text = exports_table(root, part)
        assert "`cnn`" in text and "gone" not in text
        assert text.endswith("since the file was made: `changed`, `new`.")


def test_each_table_tells_its_part(root):
    assert "| `cnn` | 1.00 | 2.00 | 2.00 | 2.00 |" in exports_table(root, "size")
    difference = exports_table(root, "difference")
    assert "| `cnn` | 1.0e-06 | 3.0e-05 |" in difference and "int8" not in difference
    assert "of 2,000 classes 2,000 are the same" in difference
    assert "| `cnn` | 90.00 % | 89.50 % (-0.50) |" in exports_table(root, "int8")


def test_a_timing_beside_other_work_is_marked(root):
    text = exports_table(root, "latency")
    assert "| `cnn` | CPU (two cores) | 0.250 | 0.250 * | 0.250 |" in text
    assert "Other processes" in text


def change_record(root, change):
    path = root / "saved_models/records/exports.json"
    record = json.loads(path.read_text())
    change(record["exports"])
    path.write_text(json.dumps(record))


def test_every_processor_has_a_row_of_its_own(root):
    def change(exports):
        exports[1]["device"] = "CPU (another)"
        del exports[2]["latency_ms"]

    change_record(root, change)
    text = exports_table(root, "latency")
    assert "| model | processor | onnx |" in text and "| --- | --- | ---: |" in text
    assert "| `cnn` | CPU (another) |  | 0.250 * |" in text
    assert "| `cnn` | CPU (two cores) | 0.250 |  |" in text


def test_exports_on_other_data_are_of_no_table(root):
    def change(exports):
        exports[0]["dataset"] = {"name": "fashion-mnist"}
        exports.append(export("cnn", "onnx", difference=0.5))
        exports[-1]["dataset"] = {"name": "garments"}
        exports.append(export("new", "onnx"))
        exports[-1]["dataset"] = {"name": "garments"}

    change_record(root, change)
    text = exports_table(root, "difference")
    assert "| `cnn` | 1.0e-06 | 3.0e-05 |" in text and text.endswith("`new`.")


def test_without_a_record_the_command_is_told(tmp_path):
    assert "make export MODEL=all" in exports_table(tmp_path, "size")
