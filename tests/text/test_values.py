"""Settings are written one way wherever they are shown."""

import pytest

from fmkeras.text.values import value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-5, "0.00001"),
        (0.1 + 0.2, "0.3"),
        (10.0, "10"),
        (1234567.0, "1234570"),
        (0, "0"),
        (128, "128"),
        ([512, 256], "512-256"),
        ((1e-5,), "0.00001"),
        (True, "True"),
        (None, ""),
        (float("nan"), "nan"),
        ("adamw", "adamw"),
    ],
)
def test_a_value_is_written_in_decimals(value, text):
    assert value_text(value) == text
