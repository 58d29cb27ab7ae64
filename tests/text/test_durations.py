"""Durations in words, and what is left of a long command."""

import pytest

from fmkeras.text import durations
from fmkeras.text.durations import Countdown, about, clock, fitting_unit


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2, "about 10 seconds"),
        (44, "about 40 seconds"),
        (90, "about 2 minutes"),
        (89 * 60, "about 89 minutes"),
        (3 * 3600, "about 3 hours"),
        (24 * 3600, "about a day"),
        (5.2 * 86_400, "about 5 days"),
    ],
)
def test_an_estimate_is_as_exact_as_it_can_be(seconds, text):
    assert about(seconds) == text


def test_a_clock_shows_hours_where_there_are_any():
    assert [clock(s) for s in (5, 245.4, 3723)] == ["0:05", "4:05", "1:02:03"]


def test_an_axis_has_the_unit_that_fits_its_end():
    units = [fitting_unit(s)[0] for s in (90, 600, 10_000, 300_000)]
    assert units == ["seconds", "minutes", "hours", "days"]


def test_a_countdown_goes_by_the_pace_of_the_last_parts(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(durations.time, "monotonic", lambda: now[0])
    lines = []
    countdown = Countdown(4, "trainings", lines.append)
    countdown.skip()
    now[0] = 600.0
    countdown.done()
    now[0] = 601.0
    countdown.done()
    now[0] = 1200.0
    countdown.done()
    # The second part ended at once after the first: no line so soon, none at the end.
    assert lines == ["2 of 4 trainings; about 20 minutes left at this pace"]


def test_a_countdown_weighs_parts_that_are_known_to_be_longer(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(durations.time, "monotonic", lambda: now[0])
    lines = []
    countdown = Countdown(2, "networks", lines.append, weights=[10.0, 100.0])
    now[0] = 60.0
    countdown.done()
    assert lines == ["1 of 2 networks; about 10 minutes left at this pace"]
