import gzip
import re

import numpy as np
import pytest
from support.data_files import idx_bytes, small_arrays, small_files, write_files

from fmkeras.datasets import DataNotFound, checksums, fashion_mnist, load_dataset
from fmkeras.datasets.fashion_mnist import DOWNLOAD_FOLDER, find, parse, places, verify
from fmkeras.errors import UserError

IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


@pytest.fixture
def contents(tmp_path, monkeypatch):
    """Small files for the published ones, in a place without any data or network."""
    table, contents = small_files()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(checksums, "FILES", table)
    monkeypatch.setattr(fashion_mnist, "_checkout", lambda: [])
    monkeypatch.setattr(fashion_mnist, "ADDRESSES", ("http://127.0.0.1:9/",))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("FMKERAS_DATA", raising=False)
    return contents


def test_loads_packed_files(contents, tmp_path):
    folder = write_files(tmp_path / "files", contents)
    dataset = load_dataset("fashion-mnist", folder)
    arrays = small_arrays()
    assert dataset.name == "fashion-mnist"
    assert dataset.source == str(folder)
    assert dataset.x_train.dtype == dataset.x_test.dtype == np.uint8
    assert dataset.y_train.dtype == dataset.y_test.dtype == np.int64
    np.testing.assert_array_equal(dataset.x_train, arrays[IMAGES])
    np.testing.assert_array_equal(dataset.y_train, arrays[LABELS])
    np.testing.assert_array_equal(dataset.x_test, arrays["t10k-images-idx3-ubyte"])
    np.testing.assert_array_equal(dataset.y_test, arrays["t10k-labels-idx1-ubyte"])


def test_unpacked_files_are_the_same_data(contents, tmp_path):
    packed = load_dataset("fashion-mnist", write_files(tmp_path / "packed", contents))
    plain = {name[:-3]: gzip.decompress(some) for name, some in contents.items()}
    plain = load_dataset("fashion-mnist", write_files(tmp_path / "plain", plain))
    assert plain.checksum == packed.checksum
    np.testing.assert_array_equal(plain.x_test, packed.x_test)


def test_search_order(contents, tmp_path, monkeypatch):
    usual = [
        "keras/datasets/fashion-mnist",
        "shared/data/fashion-mnist",
        "here/data/fashion-mnist",
    ]
    assert find() is None
    for folder in usual:
        write_files(tmp_path / folder, contents)
        assert find().resolve() == tmp_path / folder
    variable = write_files(tmp_path / "variable", contents)
    monkeypatch.setenv("FMKERAS_DATA", str(variable))
    assert find() == variable
    named = write_files(tmp_path / "named", contents)
    assert find(named) == named
    assert [place.folder for place in places(str(named))] == [named]


def test_checkout_is_looked_in_from_anywhere(contents, tmp_path, monkeypatch):
    checkout = tmp_path / "elsewhere" / "checkout"
    checkout.mkdir(parents=True)
    monkeypatch.setattr(fashion_mnist, "_checkout", lambda: [checkout])
    shared = write_files(tmp_path / "elsewhere/shared/data/fashion-mnist", contents)
    assert find().resolve() == shared
    own = write_files(checkout / "data/fashion-mnist", contents)
    assert find() == own


def test_each_folder_is_looked_in_once(contents, tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "_checkout", lambda: [tmp_path / "here"])
    folders = [place.folder.resolve() for place in places()]
    assert len(folders) == len(set(folders)) == 3


def test_a_folder_with_some_files_is_passed_over(contents, tmp_path):
    some = dict(list(contents.items())[:3])
    write_files(tmp_path / "here/data/fashion-mnist", some)
    shared = write_files(tmp_path / "shared/data/fashion-mnist", contents)
    assert find().resolve() == shared


@pytest.mark.parametrize("way", ["--data-dir", "$FMKERAS_DATA"])
def test_a_named_folder_is_not_passed_over(contents, tmp_path, monkeypatch, way):
    write_files(tmp_path / "here/data/fashion-mnist", contents)
    named = tmp_path / "named"
    if way == "$FMKERAS_DATA":
        monkeypatch.setenv("FMKERAS_DATA", str(named))
    argument = named if way == "--data-dir" else None
    with pytest.raises(UserError, match="Received: no folder") as caught:
        load_dataset("fashion-mnist", argument)
    assert way in str(caught.value) and not isinstance(caught.value, DataNotFound)
    del contents[f"{LABELS}.gz"]
    write_files(named, contents)
    with pytest.raises(UserError, match=f"Received: a folder without {LABELS}$"):
        load_dataset("fashion-mnist", argument)


@pytest.mark.parametrize("download", [True, False])
def test_nothing_found_names_the_ways(contents, tmp_path, download):
    with pytest.raises(DataNotFound) as caught:
        load_dataset("fashion-mnist", download=download, progress=False)
    message = str(caught.value)
    for word in ("network", "--data-dir", "$FMKERAS_DATA", "'data/fashion-mnist'"):
        assert word in message
    assert "DATA=garments" in message and "DATA_DIR=" in message
    assert "\n" not in message
    assert list((tmp_path / "here").iterdir()) == []


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("at", [10, 100, -1])
@pytest.mark.parametrize("position", range(4))
def test_one_altered_byte(contents, tmp_path, position, at):
    name = list(contents)[position]
    contents[name] = flip(contents[name], at % len(contents[name]))
    folder = write_files(tmp_path, contents)
    with pytest.raises(UserError, match=f"{name} is altered") as caught:
        load_dataset("fashion-mnist", folder)
    others = [other for other in contents if other != name]
    assert not any(other in str(caught.value) for other in others)


def test_the_same_bytes_in_another_gzip(contents, tmp_path):
    # Another level, and a time in the header.
    packed = {
        name: gzip.compress(gzip.decompress(content), 1, mtime=1)
        for name, content in contents.items()
    }
    folder = write_files(tmp_path, packed)
    assert load_dataset("fashion-mnist", folder).source == str(folder)


def test_a_whole_file_serves_where_the_packed_one_is_cut_off(contents, tmp_path):
    name = next(iter(contents))
    whole = gzip.decompress(contents[name])
    contents[name] = contents[name][:-50]
    contents[name.removesuffix(".gz")] = whole
    folder = write_files(tmp_path, contents)
    assert load_dataset("fashion-mnist", folder).source == str(folder)


def test_truncated_and_empty(contents, tmp_path):
    size = len(contents[f"{IMAGES}.gz"])
    contents[f"{IMAGES}.gz"] = contents[f"{IMAGES}.gz"][:900]
    contents[f"{LABELS}.gz"] = b""
    folder = write_files(tmp_path, contents)
    with pytest.raises(UserError) as caught:
        verify(folder)
    assert f"{IMAGES}.gz is truncated (900 of {size} bytes)" in str(caught.value)
    assert re.search(rf"{LABELS}.gz is truncated \(0 of \d+ bytes\)", str(caught.value))


def test_swapped(contents, tmp_path):
    images, labels = f"{IMAGES}.gz", f"{LABELS}.gz"
    contents[images], contents[labels] = contents[labels], contents[images]
    folder = write_files(tmp_path, contents)
    with pytest.raises(UserError) as caught:
        verify(folder)
    assert f"{images} holds the labels of {LABELS}, not {IMAGES}" in str(caught.value)
    assert f"{labels} holds the images of {IMAGES}, not {LABELS}" in str(caught.value)


def test_training_and_test_swapped(contents, tmp_path):
    contents[f"{IMAGES}.gz"] = contents["t10k-images-idx3-ubyte.gz"]
    folder = write_files(tmp_path, contents)
    with pytest.raises(UserError, match="holds the images of t10k-images-idx3-ubyte,"):
        verify(folder)


def test_unknown_labels_under_an_images_name(contents, tmp_path):
    contents[f"{IMAGES}.gz"] = gzip.compress(idx_bytes(np.zeros(7)))
    folder = write_files(tmp_path, contents)
    with pytest.raises(UserError, match=f"{IMAGES}.gz holds labels, not images"):
        verify(folder)


def test_unpacked_under_a_packed_name(contents, tmp_path):
    contents[f"{IMAGES}.gz"] = gzip.decompress(contents[f"{IMAGES}.gz"])
    folder = write_files(tmp_path, contents)
    with pytest.raises(UserError, match="the right file, but unpacked, with .gz in"):
        verify(folder)


def test_a_page_in_place_of_a_file(contents, tmp_path):
    contents[f"{LABELS}.gz"] = b"<html>No such page</html>"
    with pytest.raises(UserError, match=f"{LABELS}.gz is altered"):
        verify(write_files(tmp_path, contents))


def test_says_when_a_file_can_be_downloaded_anew(contents, tmp_path):
    contents[f"{LABELS}.gz"] = b""
    write_files(tmp_path / "here" / DOWNLOAD_FOLDER, contents)
    with pytest.raises(UserError, match="delete it to download it anew"):
        load_dataset("fashion-mnist")
    with pytest.raises(UserError, match="replace what is named here. Received"):
        load_dataset("fashion-mnist", tmp_path / "here" / DOWNLOAD_FOLDER)


def test_parse_checks_by_itself(contents, tmp_path):
    contents[f"{LABELS}.gz"] = gzip.compress(idx_bytes(np.full(40, 10)))
    folder = write_files(tmp_path, contents)
    with pytest.raises(UserError, match="label out of range.*Received: 10"):
        parse(folder)
    (folder / f"{LABELS}.gz").unlink()
    with pytest.raises(UserError, match=f"expected {LABELS}"):
        parse(folder)


def test_download_completes_the_data_folder(contents, tmp_path, monkeypatch):
    asked = []

    def serve(addresses, path, size, md5, progress):
        asked.append((path.name, size))
        assert addresses == [f"http://127.0.0.1:9/{path.name}"]
        write_files(path.parent, {path.name: contents[path.name]})

    monkeypatch.setattr(fashion_mnist, "fetch", serve)
    folder = tmp_path / "here" / DOWNLOAD_FOLDER
    write_files(folder, {f"{IMAGES}.gz": contents[f"{IMAGES}.gz"]})
    dataset = load_dataset("fashion-mnist", progress=False)
    assert asked == [(name, len(contents[name])) for name in list(contents)[1:]]
    assert dataset.source == str(DOWNLOAD_FOLDER)
    assert len(dataset.y_train) == 40


def test_published_files_where_they_are_found():
    try:
        dataset = load_dataset("fashion-mnist", download=False)
    except DataNotFound:
        pytest.skip("Fashion-MNIST is not on this machine")
    assert dataset.x_train.shape == (60_000, 28, 28)
    assert dataset.x_test.shape == (10_000, 28, 28)
    assert np.bincount(dataset.y_train).tolist() == [6_000] * 10
    assert np.bincount(dataset.y_test).tolist() == [1_000] * 10
    assert dataset.checksum == (
        "eee656c63c1c7a3b7c885d28c97fd74dc039264ce75eae7cb8d991df379ef736"
    )
    # The mean and the deviation of the training pixels, as often given for them.
    assert dataset.x_train.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    assert dataset.x_train.std() / 255 == pytest.approx(0.3530, abs=5e-5)
