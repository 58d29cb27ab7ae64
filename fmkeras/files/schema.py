"""What JSON from a file must look like, checked once, before anything reads a field.

A schema is a type, or several in a tuple; `NUMBER`, finite; a list of one schema, for a
list of such; a dict of schemas by key, for an object that may have further keys: one
whose name ends in a question mark may be missing; or `Map`, for an object of any keys.
`object` is anything.
"""

import math
from dataclasses import dataclass

# Nothing that this project writes, and no model of Keras, comes near these.
MOST_DEPTH = 100
MOST_ITEMS = 5_000_000


@dataclass(frozen=True)
class Map:
    """An object of any keys, whose values are of one schema."""

    values: object


class NUMBER:
    """A finite number; true and false are none."""


def check(content: object, schema: object, where: str = "") -> None:
    """Raise `ValueError`, with the place, where `content` is not of `schema`."""
    if isinstance(schema, list):
        _check_type(content, list, where)
        for number, item in enumerate(content):
            check(item, schema[0], f"{where}[{number}]")
    elif isinstance(schema, Map):
        _check_type(content, dict, where)
        for key, value in content.items():
            check(value, schema.values, _inside(where, key))
    elif isinstance(schema, dict):
        _check_type(content, dict, where)
        for key, inner in schema.items():
            name = key.removesuffix("?")
            if name not in content:
                if key != name:
                    continue
                raise ValueError(f"{_inside(where, name)} is missing")
            check(content[name], inner, _inside(where, name))
    else:
        _check_type(content, schema, where)


def check_bounds(content: object) -> None:
    """Raise `ValueError` where JSON is nested too deeply, or has too many items."""
    level, depth, items = [content], 0, 0
    while level:
        depth += 1
        items += len(level)
        if depth > MOST_DEPTH:
            raise ValueError(f"it is nested too deeply; at most {MOST_DEPTH} levels")
        if items > MOST_ITEMS:
            raise ValueError(f"it has too many items; at most {MOST_ITEMS:,}")
        inner: list = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        level = inner


def _check_type(content: object, kinds: object, where: str) -> None:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if any(_is(content, kind) for kind in kinds):
        return
    expected = " or ".join(_NAMES.get(kind, str(kind)) for kind in kinds)
    if isinstance(content, dict | list):
        received = _NAMES[type(content)]
    else:
        received = repr(content)[:80]
    raise ValueError(f"{where or 'it'} is {received}; expected {expected}")


def _is(content: object, kind: type) -> bool:
    if kind is NUMBER:
        number = isinstance(content, int | float) and not isinstance(content, bool)
        # A whole number too large for a float is no use as one either.
        return number and -1e308 < content < 1e308 and math.isfinite(content)
    if kind is int:
        whole = isinstance(content, int) and not isinstance(content, bool)
        return whole and abs(content) < 2**63
    return isinstance(content, kind)


def _inside(where: str, key: object) -> str:
    return f"{where}.{key}"[:120] if where else str(key)[:120]


_NAMES = {
    NUMBER: "a finite number",
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
