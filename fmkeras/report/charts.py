"""Charts of one net or of all: what the report's pages and `evaluate` show."""

import os

import numpy as np

from fmkeras.calibration import Calibration
from fmkeras.report.figures import new_figure, write_figure


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
