"""Comparisons against cases worked out by hand, and scipy."""

import json

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from fmkeras.errors import UserError
from fmkeras.evaluation.compare import (
    bootstrap_interval,
    compare,
    holm,
    mcnemar,
)

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.integers(0, 10, 3_000)


def with_errors(share, seed):
    generator = np.random.default_rng(seed)
    wrong = generator.random(len(LABELS)) < share
    return np.where(
        wrong, (LABELS + generator.integers(1, 10, len(LABELS))) % 10, LABELS
    )


PREDICTIONS = {"poor": with_errors(0.3, 1), "good": with_errors(0.1, 2)}
PREDICTIONS["twin"] = PREDICTIONS["good"].copy()


@pytest.mark.parametrize(
    ("counts", "expected"),
    # 2 x (1 + 10 + 45) / 2^10; and 2 x 1 / 2^5.
    [((2, 8), 112 / 1024), ((0, 5), 1 / 16), ((3, 3), 1.0), ((0, 0), 1.0)],
)
def test_mcnemar_by_hand(counts, expected):
    assert mcnemar(*counts) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("counts", [(12, 30), (300, 352), (1, 2_500)])
def test_mcnemar_is_a_binomial_test(counts):
    expected = scipy.stats.binomtest(counts[0], sum(counts)).pvalue
    assert mcnemar(*counts) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(*counts) == mcnemar(*counts[::-1])


def test_holm_by_hand():
    # 0.01 x 4; 0.02 x 3; 0.03 x 2, no less than the one before; 0.5.
    assert holm([0.5, 0.01, 0.03, 0.02]) == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


def test_the_bootstrap_equals_one_over_images():
    gains = np.repeat([1, -1, 0], [60, 20, 420])
    drawn = np.random.default_rng(3).choice(gains, (4_000, 500)).mean(axis=1)
    expected = np.quantile(drawn, (0.025, 0.975))
    low, high = bootstrap_interval(60, 20, 500)
    np.testing.assert_allclose((low, high), expected, atol=0.005)
    assert low < 0.08 < high
    assert bootstrap_interval(60, 20, 500) == (low, high)
    assert bootstrap_interval(0, 0, 500) == (0, 0)


def test_all_pairs():
    comparison = compare(PREDICTIONS, LABELS)
    assert comparison.names == ("good", "twin", "poor")
    for name, accuracy in zip(comparison.names, comparison.accuracies, strict=True):
        expected = sklearn.metrics.accuracy_score(LABELS, PREDICTIONS[name])
        assert accuracy == pytest.approx(expected)
    twins, pair, other = comparison.pairs
    assert (twins.first, twins.second) == ("good", "twin")
    assert (twins.only_first, twins.only_second, twins.p_value) == (0, 0, 1.0)
    assert twins.difference == 0 and twins.interval == (0, 0)
    assert (pair.first, pair.second) == ("good", "poor")
    right = {name: values == LABELS for name, values in PREDICTIONS.items()}
    assert pair.only_first == (right["good"] & ~right["poor"]).sum()
    assert pair.only_second == (right["poor"] & ~right["good"]).sum()
    assert pair.interval[0] < pair.difference < pair.interval[1]
    assert pair.p_value < 1e-9 and pair.adjusted == pytest.approx(3 * pair.p_value)
    assert other.p_value == pair.p_value
    recalls = [
        sklearn.metrics.recall_score(LABELS, PREDICTIONS[name], average=None)
        for name in ("good", "poor")
    ]
    np.testing.assert_allclose(pair.recalls, recalls[0] - recalls[1], atol=1e-12)
    shares = comparison.agreement
    np.testing.assert_array_equal(shares, shares.T)
    assert shares[0, 1] == 1 and (np.diag(shares) == 1).all()
    assert shares[0, 2] == (PREDICTIONS["good"] == PREDICTIONS["poor"]).mean()


def test_as_json():
    content = json.loads(json.dumps(compare(PREDICTIONS, LABELS).to_dict()))
    assert list(content["accuracies"]) == ["good", "twin", "poor"]
    pair = content["pairs"][1]
    assert pair["first"] == "good" and len(pair["interval"]) == 2
    assert len(pair["recall_differences"]) == 10


@pytest.mark.parametrize("names", [[], ["good"]])
def test_one_model_is_not_compared(names):
    with pytest.raises(UserError, match="at least two.*Received"):
        compare({name: PREDICTIONS[name] for name in names}, LABELS)
