"""How a setting is written wherever it is shown: 0.00001, never 1e-05; 512-256."""

from decimal import Decimal

DIGITS = 6


def value_text(value) -> str:
    """Return a number in decimals, to six digits, a list with dashes, else the text.

    None is empty.
    """
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "-".join(map(value_text, value))
    if isinstance(value, float) and abs(value) < 1e15:
        return f"{Decimal(f'{value:.{DIGITS}g}'):f}"
    return str(value)
