import subprocess
import sys

import numpy as np
import pytest

from fmkeras.datasets import load_dataset, plain_data_name
from fmkeras.datasets.dataset import content_checksum
from fmkeras.errors import UserError


def test_unknown_name_lists_the_known():
    with pytest.raises(UserError, match="fashion-mnist, csv, garments.*'cifar10'"):
        load_dataset("cifar10")


@pytest.mark.parametrize("name", ["fashon-mnist", "fashion mnst", "FashonMNIST"])
def test_a_close_name_is_told(name):
    with pytest.raises(UserError, match=f"Did you mean fashion-mnist.*'{name}'"):
        load_dataset(name)


def test_a_name_may_be_written_otherwise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("fashion_mnist", "Fashion-MNIST", "fashion mnist"):  # Keras's first
        assert plain_data_name(name) == "fashion-mnist"
    assert load_dataset("Garments", train_size=20, test_size=10).name == "garments"
    (tmp_path / "fashion_mnist").mkdir()
    assert plain_data_name("fashion_mnist") == "fashion_mnist"
    assert plain_data_name("./My_Shoes") == "./My_Shoes"


def test_a_path_may_be_a_path(tmp_path):
    path = tmp_path / "mine.npz"
    with pytest.raises(UserError, match="There is no data at"):
        load_dataset(path)
    np.savez(path, x_train=np.zeros((8, 28, 28), np.uint8), y_train=np.arange(8) % 2)
    assert load_dataset(path).name == "mine"


@pytest.mark.parametrize("name", [None, 3, b"csv", (np.zeros((2, 2)), [1, 2])])
def test_what_is_no_path_is_refused(name):
    with pytest.raises(
        UserError, match="^A data set is of no use.*Received: [A-Za-z]+$"
    ):
        load_dataset(name)
    if name is not None:
        with pytest.raises(UserError, match="^The folder of a data set is of no use"):
            load_dataset("csv", name)


@pytest.mark.parametrize("name", ["fashion-mnist", "csv"])
@pytest.mark.parametrize("size", [{"train_size": 10}, {"test_size": 10}])
def test_sizes_are_for_garments_alone(name, size):
    with pytest.raises(UserError, match="only 'garments' takes"):
        load_dataset(name, **size)


def test_checksum_is_of_shapes_and_values():
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    labels = np.array([1, 2])
    checksum = content_checksum(images, labels)
    assert len(checksum) == 64
    assert checksum == content_checksum(images.copy(order="F"), labels.astype(np.uint8))
    assert checksum != content_checksum(images.reshape(2, 4, 3), labels)
    assert checksum != content_checksum(images, labels[::-1])


def test_importing_the_data_sets_does_not_import_keras():
    code = "import sys, fmkeras.datasets as _; print(*sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "fmkeras.datasets" in printed
    heavy = {"keras", "torch", "tensorflow", "jax", "sklearn", "matplotlib"}
    assert not heavy & set(printed)
