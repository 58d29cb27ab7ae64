"""The names of models, as tables and titles show them."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

SUFFIX = ".keras"


def shown_names(names: Iterable[str]) -> dict[str, str]:
    """Return of each name, label or path of a model what a reader is shown.

    A path to a `.keras` file loses its suffix and its folder, unless another name
    would be the same then; anything else stays as it is.
    """
    names = list(dict.fromkeys(names))
    short = {name: Path(name).stem if name.endswith(SUFFIX) else name for name in names}
    times = Counter(short.values())
    return {name: short[name] if times[short[name]] == 1 else name for name in names}
