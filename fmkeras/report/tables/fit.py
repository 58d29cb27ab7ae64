"""The table of `fmkeras.fit` beside `model.fit`."""

from fmkeras.report.tables.markdown import markdown_table
from fmkeras.report.tables.speed import geometric_mean


def fit_table(record: dict) -> str:
    """Return one row per model and batch size: images per second, and ratios.

    The last rows have the geometric mean of the ratios of each batch size.
    """
    settings = record["settings"]
    ours, theirs = settings["contestants"]
    rows, means = [], []
    for batch in map(str, settings["batches"]):
        ratios, inference = [], []
        for name, entry in record["models"].items():
            figures = entry["batch"][batch]
            rates = [figures[label]["median"] for label in (ours, theirs)]
            ratios.append(_ratio(figures, ours, theirs))
            predicted = _ratio(entry["predict"], ours, theirs)
            inference.append(predicted)
            first = [entry["first_step"][label] for label in (ours, theirs)]
            rows.append(
                [
                    f"`{name}`",
                    batch,
                    *(f"{rate:,.0f}" for rate in rates),
                    f"{ratios[-1]:.2f}",
                    *(f"{seconds:.1f} s" for seconds in first),
                    f"{predicted:.2f}",
                ]
            )
        both = [f"{geometric_mean(found):.2f}" for found in (ratios, inference)]
        means.append(["geometric mean", batch, "", "", both[0], "", "", both[1]])
    heads = [
        "model",
        "batch",
        "fmkeras.fit, images/s",
        "model.fit, images/s",
        "ratio",
        "first step, fmkeras.fit",
        "first step, model.fit",
        "ratio, predict",
    ]
    note = (
        f"{settings['backend']}, {settings['device'].upper()} with "
        f"{record['machine']['cores']} cores; medians of {settings['rounds']} "
        f"alternating rounds of about {settings['seconds_a_round']:g} s each."
    )
    return f"{markdown_table(heads, rows + means, 'lrrrrrrr')}\n\n{note}"


def _ratio(figures: dict, ours: str, theirs: str) -> float:
    return figures[ours]["median"] / figures[theirs]["median"]
