import json

import pytest
from support.data_files import small_files, write_files

from fmkeras.datasets import checksums, describe_data, fashion_mnist
from fmkeras.labels import CLASS_NAMES


@pytest.fixture
def contents(tmp_path, monkeypatch):
    table, contents = small_files()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(checksums, "FILES", table)
    monkeypatch.setattr(fashion_mnist, "_checkout", lambda: [])
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("FMKERAS_DATA", raising=False)
    return contents


def test_intact(contents, tmp_path):
    write_files(tmp_path / "shared/data/fashion-mnist", contents)
    report = describe_data()
    assert report.ok and report.used == "../shared/data/fashion-mnist"
    assert [place.folder for place in report.places] == [
        "data/fashion-mnist",
        "../shared/data/fashion-mnist",
    ]
    assert report.class_counts["train"] == dict.fromkeys(CLASS_NAMES, 4)
    assert report.class_counts["test"] == dict.fromkeys(CLASS_NAMES, 2)
    text = report.to_text()
    assert text.count("is intact") == 4 and "no folder" in text
    assert "Ankle boot         4       2" in text
    assert text.endswith(
        "Intact: the four files of Fashion-MNIST in '../shared/data/fashion-mnist'."
    )
    assert json.loads(json.dumps(report.to_dict()))["ok"] is True


@pytest.mark.parametrize("position", range(4))
def test_one_altered_byte_names_the_file(contents, tmp_path, position):
    name = list(contents)[position]
    content = bytearray(contents[name])
    content[len(content) // 2] ^= 1
    contents[name] = bytes(content)
    report = describe_data(write_files(tmp_path / "files", contents))
    assert not report.ok and report.class_counts == {}
    states = {file.name: file.state for file in report.places[0].files}
    assert states == {other: "intact" for other in contents} | {name: "altered"}
    assert f"{name} is altered" in report.verdict
    assert report.to_text().count("is intact") == 3


def test_missing_and_truncated_in_a_named_folder(contents, tmp_path, monkeypatch):
    names = list(contents)
    size = len(contents[names[1]])
    contents[names[1]] = contents[names[1]][:30]
    del contents[names[0]]
    folder = write_files(tmp_path / "files", contents)
    monkeypatch.setenv("FMKERAS_DATA", str(folder))
    report = describe_data()
    assert not report.ok
    assert "train-images-idx3-ubyte is missing" in report.verdict
    assert f"{names[1]} is truncated (30 of {size} bytes)" in report.verdict
    assert report.places[0].label == "$FMKERAS_DATA"


def test_nothing_anywhere(contents, tmp_path):
    (tmp_path / "here/data/fashion-mnist").mkdir(parents=True)
    report = describe_data()
    assert not report.ok and report.used is None and len(report.places) == 3
    assert report.verdict.startswith("Not found")
    assert "nothing there" in report.to_text() and "no folder" in report.to_text()


def test_named_folder_that_is_not_there(contents, tmp_path):
    report = describe_data(tmp_path / "absent")
    assert not report.ok and "no folder" in report.to_text()


def test_published_files_where_they_are_found():
    report = describe_data()
    if report.used is None:
        pytest.skip("Fashion-MNIST is not on this machine")
    assert report.ok
    assert set(report.class_counts["train"].values()) == {6_000}
    assert set(report.class_counts["test"].values()) == {1_000}
