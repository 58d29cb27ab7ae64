"""Charts of one model or of several, for the report and for `evaluate`."""

import html
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from fmkeras.evaluation.calibration import Calibration
from fmkeras.report.plots.figures import (
    new_figure,
    texts_as_they_are,
    write_figure,
)

# Where a point's name may stand, in points from it: beside, above, below it.
_PLACES = [
    (8, 0),
    (-8, 0),
    (0, 9),
    (0, -9),
    (8, 9),
    (8, -9),
    (-8, 9),
    (-8, -9),
    (0, 20),
    (0, -20),
    *((side * 8, up) for up in (20, -20, 32, -32, 44, -44) for side in (1, -1)),
]


def plot_reliability(
    calibration: Calibration, path: str | os.PathLike, title: str = ""
) -> None:
    """Draw accuracy against confidence, bin by bin, and how many images each holds.

    Raises `UserError` for a file that is neither PNG nor SVG.
    """
    write_figure(reliability_figure(calibration, title), path)


def reliability_figure(calibration: Calibration, title: str = ""):
    """Return the reliability diagram: perfect calibration lies on the dashed line."""
    bins = len(calibration.counts)
    middles = (np.arange(bins) + 0.5) / bins
    filled = calibration.counts > 0
    figure = new_figure(4.6, 4.8)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.bar(
        middles[filled],
        calibration.accuracy[filled],
        width=0.92 / bins,
        color="0.75",
        edgecolor="black",
        label="Accuracy",
    )
    upper.plot(
        calibration.confidence[filled],
        calibration.accuracy[filled],
        "o",
        color="black",
        markersize=4,
        label="at the mean confidence",
    )
    upper.plot((0, 1), (0, 1), "--", color="black", linewidth=1, label="Perfect")
    upper.set_ylabel("Accuracy")
    upper.set_ylim(0, 1.02)
    upper.legend(frameon=False, loc="upper left", fontsize=8)
    lower.bar(middles, calibration.counts, width=0.92 / bins, color="0.4")
    lower.set_ylabel("Images")
    lower.set_xlabel("Confidence")
    lower.set_xlim(0, 1)
    if title:
        upper.set_title(title, fontsize=10)
    return figure


def classes_figure(rows: Iterable[Mapping[str, object]]):
    """Return precision, recall and F1 over the epochs, one panel per class.

    The rows are those of per_class.csv, numbers or text.
    """
    from matplotlib.ticker import MaxNLocator

    rows = list(rows)
    names = list(dict.fromkeys(row["class"] for row in rows))
    down = -(-len(names) // 5)
    figure = new_figure(11, 2.5 * down)
    panels = figure.subplots(down, 5, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    for name, axes in zip(names, panels.flat, strict=False):
        own = [row for row in rows if row["class"] == name]
        epochs = [int(row["epoch"]) for row in own]
        for key, style in (("f1", "-"), ("precision", "--"), ("recall", ":")):
            values = [float(row[key]) for row in own]
            width = 1.8 if key == "f1" else 1.2
            mark = "o" if len(own) == 1 else ""
            label = "F1" if key == "f1" else key.capitalize()
            axes.plot(
                epochs, values, style, marker=mark, color="black", lw=width, label=label
            )
        axes.set_title(name, fontsize=10)
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    for axes in panels[-1]:
        axes.set_xlabel("Epoch")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


def scatter_figure(
    names: Sequence[str],
    values: Sequence[float],
    accuracies: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    label: str,
):
    """Return accuracy, with 95 % intervals, against another figure of each model."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.ticker import FuncFormatter, LogLocator

    figure = new_figure(7, 4.4)
    axes = figure.add_subplot()
    heights = 100 * np.asarray(accuracies)
    spread = np.abs(100 * np.asarray(intervals).T - heights)
    axes.errorbar(
        values, heights, yerr=spread, fmt="o", color="black", capsize=3, elinewidth=0.8
    )
    axes.set_xscale("log")
    if max(values) < 100 * min(values):
        # Powers of ten alone might leave the axis without a number.
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel(label)
    axes.set_ylabel("Test accuracy, %")
    axes.grid(alpha=0.3)
    axes.margins(x=0.32, y=0.12)
    FigureCanvasAgg(figure).draw()
    _name_points(axes, names, values, heights, 100 * np.asarray(intervals))
    return figure


def _name_points(axes, names, values, heights, intervals) -> None:
    """Place each name where it overlaps no point and no other name, if possible."""
    renderer = axes.figure.canvas.get_renderer()
    ends = [
        axes.transData.transform(np.column_stack([values, side]))
        for side in intervals.T
    ]
    taken = [
        (x - 5, low, x + 5, high) for (x, low), (_, high) in zip(*ends, strict=True)
    ]
    for name, value, height in zip(names, values, heights, strict=True):
        for across, up in _PLACES:
            side = {1: "left", 0: "center", -1: "right"}[int(np.sign(across))]
            line = {1: "bottom", 0: "center", -1: "top"}[int(np.sign(up))]
            text = axes.annotate(
                name,
                (value, height),
                (across, up),
                textcoords="offset points",
                fontsize=8,
                ha=side,
                va=line,
                # It is measured before the figure is drawn.
                parse_math=False,
            )
            box = text.get_window_extent(renderer)
            inside = axes.bbox.x0 < box.x0 and box.x1 < axes.bbox.x1
            free = inside and not any(
                box.x0 < right and left < box.x1 and box.y0 < top and bottom < box.y1
                for left, bottom, right, top in taken
            )
            if free or (across, up) == _PLACES[-1]:
                taken.append((box.x0, box.y0, box.x1, box.y1))
                break
            text.remove()


def inline_svg(figure, description: str) -> str:
    """Return a figure as SVG to stand in a page, black drawn in the page's own colour.

    `description` is what a screen reader says in its place.
    """
    import matplotlib

    file = io.StringIO()
    hashsalt = matplotlib.rc_context({"svg.hashsalt": "0"})
    with hashsalt, texts_as_they_are(figure):
        figure.savefig(
            file,
            format="svg",
            transparent=True,
            bbox_inches="tight",
            pad_inches=0.05,
            metadata={"Date": None},
        )
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Several figures share a page: their groups' names would be there twice.
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = text.replace("#000000", "currentColor")
    label = html.escape(description, quote=True)
    return text.replace(
        "<svg ", f'<svg role="img" aria-label="{label}" fill="currentColor" ', 1
    )
