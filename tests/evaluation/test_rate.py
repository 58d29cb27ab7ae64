"""Images per second leave compilation out, at the start and for a short batch."""

import pytest

from fmkeras.evaluation import rate
from fmkeras.evaluation.rate import BatchRate


def measured(monkeypatch, *batches):
    """The rate of batches of (count, seconds) on a clock of ours."""
    now = [0.0]
    monkeypatch.setattr(rate.time, "perf_counter", lambda: now[0])
    measure = BatchRate()
    for count, seconds in batches:
        now[0] += seconds
        measure(count)
    return measure.per_second(sum(count for count, _ in batches))


def test_only_full_batches_after_the_first_count(monkeypatch):
    batches = [(100, 30.0), (100, 1.0), (100, 1.0), (100, 7.0), (50, 30.0)]
    assert measured(monkeypatch, *batches) == pytest.approx(100)


def test_one_batch_is_timed_as_it_is(monkeypatch):
    assert measured(monkeypatch, (60, 2.0)) == pytest.approx(30)
    assert measured(monkeypatch, (60, 2.0), (30, 1.0)) == pytest.approx(30)
