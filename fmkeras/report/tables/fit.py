"""The table of `fmkeras.fit` beside `model.fit`."""

from fmkeras.benchmark.speed.spread import rate_text, ratio_of
from fmkeras.report.tables.markdown import markdown_table
from fmkeras.report.tables.speed import geometric_mean, machine_text


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
            trained = ratio_of(figures[ours], figures[theirs])
            predicted = ratio_of(entry["predict"][ours], entry["predict"][theirs])
            ratios.append(trained.value)
            inference.append(predicted.value)
            first = [entry["first_step"][label] for label in (ours, theirs)]
            rows.append(
                [
                    f"`{name}`",
                    batch,
                    *(rate_text(figures[label]) for label in (ours, theirs)),
                    trained.to_text(),
                    *(f"{seconds:.1f} s" for seconds in first),
                    predicted.to_text(),
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
        f"{settings['backend']}, {machine_text(record)}; medians of "
        f"{settings['rounds']} alternating rounds of about "
        f"{settings['seconds_a_round']:g} s each. Behind ± stands half the range of "
        "the rounds, in brackets the smallest and the largest ratio of a round."
    )
    return f"{markdown_table(heads, rows + means, 'lrrrrrrr')}\n\n{note}"
