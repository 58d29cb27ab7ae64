"""Two processes with half of each batch train as one with all of it."""

import numpy as np
import pytest
from support.parallel_training import (
    BATCH,
    CASES,
    COUNT,
    FURTHER_CASES,
    make_images,
    make_model,
    train_case,
    train_in_processes,
)

from fmkeras.datasets.splits import epoch_order
from fmkeras.engines.gradients import gradient_function
from fmkeras.engines.parallel import Share

pytestmark = pytest.mark.every_backend


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return train_in_processes(tmp_path_factory.mktemp("two"))


@pytest.mark.parametrize("name", [name for name in CASES if name != "norm"])
def test_two_devices_give_the_losses_of_one(two, name):
    # Over 50 steps, with dropout, noise, augmentation and mixed images.
    one = train_case(name)
    assert len(one["losses"]) == 50
    np.testing.assert_allclose(two[name]["losses"], one["losses"], rtol=1e-5)
    for figure, values in one["history"].items():
        np.testing.assert_allclose(two[name]["history"][figure], values, rtol=1e-5)
    # What is drawn next is the same too, as for a training that goes on.
    assert two[name]["random_state"] == one["random_state"]
    assert two[name]["confusion"] == one["confusion"]
    assert np.sum(two[name]["validation"]) == COUNT
    assert two[name]["validation"] == one["validation"]


@pytest.fixture(scope="module")
def two_further(tmp_path_factory):
    return train_in_processes(tmp_path_factory.mktemp("two"), names=FURTHER_CASES)


@pytest.mark.slow
@pytest.mark.parametrize("name", FURTHER_CASES)
def test_two_devices_compute_every_kind_of_step_as_one(two_further, name):
    one, two = train_case(name), two_further[name]
    # A share's gradients are rounded to the precision before they are summed.
    rtol = 2.0**-8 if name == "bfloat16" else 1e-5
    assert len(one["losses"]) == 10
    # Before the first update all is as of one.
    np.testing.assert_allclose(two["losses"][0], one["losses"][0], rtol=1e-5)
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=rtol)
    np.testing.assert_allclose(
        two["history"]["val_loss"], one["history"]["val_loss"], rtol=rtol
    )
    assert two["random_state"] == one["random_state"]
    assert np.sum(two["confusion"]) == np.sum(two["validation"]) == COUNT
    if name != "bfloat16":
        assert two["confusion"] == one["confusion"]


def test_batch_normalization_is_of_each_devices_own_images(two):
    losses, weights = reference("norm", devices=2)
    np.testing.assert_allclose(two["norm"]["losses"], losses, rtol=1e-5)
    for found, wanted in zip(two["norm"]["weights"], weights, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def reference(name, devices):
    """Train by hand: the parts of a batch one by one, each normalized by itself.

    Gradients and moving averages are means over the images.
    """
    recipe, part, model = CASES[name], make_images(), make_model(normalized=True)
    compute = gradient_function(model)
    losses = []
    for epoch in range(recipe.epochs):
        order = epoch_order(COUNT, 7, epoch)
        for start in range(0, COUNT, BATCH):
            indices = order[start : start + BATCH]
            before = values_of(model.non_trainable_variables)
            means, loss = 0.0, 0.0
            for rank in range(devices):
                share = Share.of(len(indices), rank, devices)
                if not share.weight:
                    continue
                assign(model.non_trainable_variables, before)
                images = part.images[indices[share.rows]][..., None].astype("float32")
                done = compute(images, part.labels[indices[share.rows]])
                values = [*done.gradients, *values_of(model.non_trainable_variables)]
                means = means + share.weight * np.array(values, dtype=object)
                loss += share.weight * done.loss
            losses.append(loss)
            weights = np.array(values_of(model.trainable_variables), dtype=object)
            weights = weights - recipe.learning_rate * means[: len(weights)]
            assign(model.trainable_variables, weights)
            assign(model.non_trainable_variables, means[len(weights) :])
    return losses, model.get_weights()


def values_of(variables):
    return [np.array(variable.numpy()) for variable in variables]


def assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


@pytest.mark.parametrize("count, devices", [(31, 2), (32, 3), (1, 2), (2, 8), (8, 8)])
def test_shares_cover_a_batch_once(count, devices):
    shares = [Share.of(count, rank, devices) for rank in range(devices)]
    rows = [list(range(count))[s.rows] for s in shares if s.weight]
    assert sum(rows, []) == list(range(count))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1
    assert sum(share.weight for share in shares) == pytest.approx(1)
    # Every device computes something, to take part in the sums.
    assert all(share.stop > share.start for share in shares)
