"""The tables of a benchmark's record, for the README and for reading."""

import math
from collections.abc import Sequence

from fmkeras.models import model_info
from fmkeras.report.markdown import markdown_table


def benchmark_table(record: dict, what: str) -> str:
    """Return one row a network: images a second, and ours over each peer.

    `what` is train or predict. A ratio is of medians of the same run; the last row
    has the geometric means of the networks that see 28 pixels.
    """
    labels = record["settings"]["contestants"]
    ours = [label for label in labels if label.startswith("ours-")]
    peers = [label for label in labels if label not in ours]
    first = [label for label in ours if label.startswith("ours-torch")]
    pairs = [(f"torch / {peer}", first, peer) for peer in peers]
    pairs += [(f"best / {peer}", ours, peer) for peer in peers]
    found = {text: ratios(record, own, peer, what) for text, own, peer in pairs}
    heads = ["network", *labels, *found]
    rows = []
    for name, entry in record["models"].items():
        if "left_out" in entry:
            cells = [entry["left_out"], *[""] * (len(heads) - 2)]
        else:
            cells = [_rate(entry, what, label) for label in labels]
            cells += [_ratio(column.get(name)) for column in found.values()]
        rows.append([f"`{name}`", *cells])
    small = [n for n in record["models"] if model_info(n).input_size == 28]
    means = [
        _ratio(geometric_mean([r for n, r in column.items() if n in small]))
        for column in found.values()
    ]
    rows.append(["geometric mean, 28 pixels", *[""] * len(labels), *means])
    return markdown_table(heads, rows, "l" + "r" * (len(heads) - 1))


def benchmark_note(record: dict) -> str:
    """Return a line that says what was measured, where and how."""
    settings, machine = record["settings"], record["machine"]
    return (
        f"Images a second, batch {settings['batch_size']}, on a "
        f"{settings['device'].upper()} of {machine['cores']} cores; medians of "
        f"{settings['rounds']} alternating rounds of about "
        f"{settings['seconds_a_round']:g} s each. A matrix product reaches "
        f"{machine['float32'] / 1e9:,.0f} GFLOP/s in float32 and "
        f"{machine['bfloat16'] / 1e9:,.0f} in bfloat16 there."
    )


def ratios(record: dict, ours: Sequence[str], peer: str, what: str) -> dict[str, float]:
    """Return, for each network, the best of `ours` over `peer`; labels as in records.

    `what` is train or predict. Networks without both figures are left out.
    """
    found = {}
    for name, entry in record["models"].items():
        figures = entry.get(what, {})
        own = [figures[label]["median"] for label in ours if label in figures]
        if own and peer in figures:
            found[name] = max(own) / figures[peer]["median"]
    return found


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean; NaN of nothing."""
    values = list(values)
    if not values:
        return math.nan
    return math.exp(sum(map(math.log, values)) / len(values))


def _rate(entry: dict, what: str, label: str) -> str:
    if label in entry["failed"]:
        return "failed"
    return f"{entry[what][label]['median']:,.0f}"


def _ratio(value: float | None) -> str:
    # NaN is the mean of nothing.
    return "" if value is None or value != value else f"{value:.2f}"
