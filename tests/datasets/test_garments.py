import subprocess
import sys
import warnings

import numpy as np
import pytest

from fmkeras.datasets import load_dataset
from fmkeras.datasets.garments.draw import draw_garments
from fmkeras.errors import UserError


def test_form_and_balance():
    images, labels = draw_garments(205, 3)
    assert images.shape == (205, 28, 28) and images.dtype == np.uint8
    assert labels.shape == (205,) and labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [21] * 5 + [20] * 5
    # Not in turn: the order of the classes is random.
    assert len(set(labels[:10].tolist())) < 10 or len(set(labels[10:20].tolist())) < 10


def test_same_seed_same_pixels():
    images, labels = draw_garments(60, 4)
    again, labels_again = draw_garments(60, 4)
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(labels, labels_again)
    other, _ = draw_garments(60, 5)
    assert (images != other).mean() > 0.2


def test_same_pixels_in_another_process():
    code = "from fmkeras.datasets import load_dataset as load;"
    code += "print(load('garments', train_size=50, test_size=20, seed=9).checksum)"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    here = load_dataset("garments", train_size=50, test_size=20, seed=9)
    assert printed == here.checksum


def test_every_image_shows_something_on_a_dark_background():
    images, _ = draw_garments(1_000, 6)
    covered = (images > 25).mean(axis=(1, 2))
    assert 0.03 < covered.min() and covered.max() < 0.95
    assert np.median(images[:, 0, 0]) == 0
    assert 0.15 < images.mean() / 255 < 0.4


def test_no_image_twice_and_none_shared_by_both_parts():
    dataset = load_dataset("garments", train_size=400, test_size=400)
    train = {image.tobytes() for image in dataset.x_train}
    test = {image.tobytes() for image in dataset.x_test}
    assert len(train) == len(test) == 400 and not train & test


def test_sizes_and_seed():
    dataset = load_dataset("garments", train_size=30, test_size=20, seed=1)
    assert len(dataset.x_train) == len(dataset.y_train) == 30
    assert len(dataset.x_test) == len(dataset.y_test) == 20
    assert dataset.name == "garments" and "seed 1" in dataset.source
    other = load_dataset("garments", train_size=30, test_size=20, seed=2)
    assert dataset.checksum != other.checksum


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"train_size": 0}, "Received: 0"),
        ({"train_size": 10, "test_size": -5}, "Received: -5"),
        ({"train_size": 2.5}, "Received: 2.5"),
        ({"seed": -1}, "seed.*Received: -1"),
        ({"data_dir": "somewhere"}, "--data-dir.*Received: 'somewhere'"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(UserError, match=words):
        load_dataset("garments", **arguments)


def test_a_linear_model_learns_most_but_not_all():
    linear_model = pytest.importorskip("sklearn.linear_model")
    dataset = load_dataset("garments", train_size=4_000, test_size=1_000)
    model = linear_model.LogisticRegression(max_iter=60)
    with warnings.catch_warnings():
        # It need not converge to show how hard the data is.
        warnings.filterwarnings("ignore", message=".*failed to converge.*")
        model.fit(dataset.x_train.reshape(4_000, -1) / 255, dataset.y_train)
    accuracy = model.score(dataset.x_test.reshape(1_000, -1) / 255, dataset.y_test)
    assert 0.70 < accuracy < 0.90
