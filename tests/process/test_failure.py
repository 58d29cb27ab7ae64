"""The reason of a failed process is its error, not what is printed after it."""

import pytest

from fmkeras.process.failure import error_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("warned\nTraceback:\n  line\nKeyError: 'name'\n", "KeyError: 'name'"),
        ("killed\n", "killed"),
        ("", "no message"),
        (
            "    raise ValueError(\nValueError: Exception encountered when calling "
            "A.call().\n\n\x1b[1mwrong shape\x1b[0m\n\nArguments received by "
            "A.call():\n  • training=None\n",
            "wrong shape",
        ),
        (
            "a.b.InvalidGraph: [X] : 10 : Erfc\nLOG: left\n",
            "a.b.InvalidGraph: [X] : 10 : Erfc",
        ),
    ],
)
def test_an_error_is_found_before_other_output(text, line):
    assert error_line(text) == line


def test_silence_is_told_otherwise():
    assert error_line("", otherwise="exit code 9") == "exit code 9"
