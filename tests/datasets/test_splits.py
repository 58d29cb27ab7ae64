import dataclasses

import numpy as np
import pytest

from fmkeras.datasets.dataset import Dataset
from fmkeras.datasets.splits import epoch_order, limit_training, split_dataset
from fmkeras.errors import UserError


def make_dataset(labels):
    labels = np.asarray(labels)
    # Each image holds its own number, so that a split shows where it came from.
    images = np.zeros((len(labels), 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(len(labels)), 256)
    return Dataset("csv", images, labels, images[:5], labels[:5], "here", "none")


def numbers(part):
    return part.images[:, 0, 0].astype(int) * 256 + part.images[:, 0, 1]


def test_a_split_is_stratified_and_parts_no_image_twice():
    dataset = make_dataset(np.repeat(np.arange(10), 600))
    split = split_dataset(dataset, seed=0)
    assert np.bincount(split.validation.labels).tolist() == [60] * 10
    both = np.concatenate([numbers(split.train), numbers(split.validation)])
    assert sorted(both) == list(range(6000))
    labels = dataset.y_train[numbers(split.validation)]
    assert np.array_equal(split.validation.labels, labels)


def test_uneven_classes_each_give_their_share():
    dataset = make_dataset([0] * 900 + [1] * 100)
    split = split_dataset(dataset, seed=1)
    assert np.bincount(split.validation.labels).tolist() == [90, 10]


def test_a_split_depends_on_its_seed_alone():
    dataset = make_dataset(np.arange(2000) % 10)
    first, again, other = (split_dataset(dataset, seed) for seed in (4, 4, 5))
    assert np.array_equal(first.validation.images, again.validation.images)
    assert not np.array_equal(first.validation.images, other.validation.images)


def test_a_small_data_set_gives_a_tenth():
    split = split_dataset(make_dataset(np.arange(300) % 10), seed=0)
    assert (len(split.train), len(split.validation), len(split.test)) == (270, 30, 5)


def test_full_trains_on_all_and_validates_on_none():
    dataset = make_dataset(np.arange(300) % 10)
    split = split_dataset(dataset, 0, "full")
    assert split.validation is None
    assert np.array_equal(numbers(split.train), np.arange(300))
    assert len(split.test) == 5


def test_fashionnet_divides_the_test_images():
    labels = np.repeat(np.arange(10), 100)
    images = make_dataset(labels).x_train
    dataset = Dataset("csv", images[:7], labels[:7], images, labels, "here", "none")
    split = split_dataset(dataset, 0, "fashionnet")
    assert len(split.train) == 7
    assert (len(split.validation), len(split.test)) == (600, 400)
    # At random, as the source does it: not sixty of each class.
    assert np.bincount(split.validation.labels).tolist() != [60] * 10
    both = np.concatenate([numbers(split.test), numbers(split.validation)])
    assert sorted(both) == list(range(1000))


def test_random_sets_a_sixth_aside_whatever_the_classes():
    dataset = make_dataset(np.repeat(np.arange(10), 600))
    split = split_dataset(dataset, 0, "random")
    assert (len(split.train), len(split.validation)) == (5000, 1000)
    assert np.bincount(split.validation.labels).tolist() != [100] * 10
    both = np.concatenate([numbers(split.train), numbers(split.validation)])
    assert sorted(both) == list(range(6000))
    again = split_dataset(dataset, 0, "random")
    assert np.array_equal(numbers(split.train), numbers(again.train))
    other = split_dataset(dataset, 1, "random")
    assert not np.array_equal(numbers(split.train), numbers(other.train))
    large = make_dataset(np.arange(60_000) % 10)
    assert len(split_dataset(large, 0, "random").validation) == 10_000


def test_one_image_cannot_be_split():
    with pytest.raises(UserError, match="too small to split"):
        split_dataset(make_dataset([1]), seed=0)


def test_the_order_of_an_epoch_depends_on_seed_and_epoch():
    order = epoch_order(100, 0, 0)
    assert sorted(order) == list(range(100))
    assert np.array_equal(order, epoch_order(100, 0, 0))
    assert not np.array_equal(order, epoch_order(100, 0, 1))
    assert not np.array_equal(order, epoch_order(100, 1, 0))


def test_a_limit_takes_of_each_class_its_share(garments):
    few = limit_training(garments, 200, seed=1)
    assert len(few.y_train) == len(few.x_train) == 200
    shares = np.bincount(garments.y_train, minlength=10) / len(garments.y_train)
    assert np.abs(np.bincount(few.y_train, minlength=10) - 200 * shares).max() <= 1
    assert few.checksum != garments.checksum and "200 of 600" in few.source
    np.testing.assert_array_equal(few.x_test, garments.x_test)

    again = limit_training(garments, 200, seed=1)
    np.testing.assert_array_equal(few.x_train, again.x_train)
    assert limit_training(garments, 200, seed=2).checksum != few.checksum
    assert limit_training(garments, 600, seed=1) is garments
    for count in (601, 3, 0, -1):
        with pytest.raises(UserError, match="Bad limit"):
            limit_training(garments, count, seed=1)


def test_a_limit_leaves_no_class_out(garments):
    """Of a rare class none was left, without a word."""
    rare = np.flatnonzero(garments.y_train == 3)[:10]
    often = np.flatnonzero(garments.y_train == 4)
    chosen = np.concatenate([rare, *[often] * 10])
    data = dataclasses.replace(
        garments,
        x_train=garments.x_train[chosen],
        y_train=np.where(garments.y_train[chosen] == 3, 0, 1),
        class_names=("rare", "often"),
    )
    count = len(chosen)
    with pytest.raises(UserError, match="0 would be of the class 'rare'.*Received: 9"):
        limit_training(data, 9, seed=0)
    few = limit_training(data, count // 2, seed=0)
    assert np.bincount(few.y_train)[0] == 5
    # One image in all is enough of a class that has no more.
    one = dataclasses.replace(data, x_train=data.x_train[9:], y_train=data.y_train[9:])
    assert 0 in limit_training(one, len(one.y_train) - 1, seed=0).y_train
