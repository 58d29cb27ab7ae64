import subprocess
import sys

import numpy as np
import pytest

from fmkeras.datasets import load_dataset
from fmkeras.datasets.dataset import content_checksum
from fmkeras.errors import UserError


def test_unknown_name_lists_the_known():
    with pytest.raises(UserError, match="fashion-mnist, csv, garments.*'cifar10'"):
        load_dataset("cifar10")


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
