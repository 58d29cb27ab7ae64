"""A number of things in words: 1 picture, 1,200 pictures."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number and what it counts; `many` where it is more than `one` and s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
