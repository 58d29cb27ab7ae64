"""Curves of several runs over their epochs, side by side."""

import os
from collections.abc import Mapping

from fmkeras.report.plots.figures import new_figure, write_figure

STYLES = ("-", "--", ":", "-.")


def plot_runs(
    records: Mapping[str, dict], path: str | os.PathLike, title: str = ""
) -> None:
    """Draw learning rate, training loss and validation loss of records, by label.

    The records are those of `train`, with their 'history'. Raises `UserError` for a
    file that is neither PNG nor SVG.
    """
    panels = {
        "learning_rate": "Learning rate",
        "loss": "Training loss",
        "val_loss": "Validation loss",
    }
    figure = new_figure(9.5, 3.2)
    for axes, (name, text) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for style, (label, record) in zip(STYLES, records.items(), strict=False):
            values = record["history"].get(name, [])
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, style, color="black", label=label)
        axes.set_title(text, fontsize=10)
        axes.set_xlabel("Epoch")
        axes.set_ylim(bottom=0)
        axes.ticklabel_format(axis="y", scilimits=(-3, 3))
    figure.axes[1].legend(frameon=False, fontsize=9, loc="upper right")
    if title:
        figure.suptitle(title, fontsize=11)
    write_figure(figure, path)
