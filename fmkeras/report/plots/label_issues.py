"""Label issues as a picture: image, given label, the models' label, verdict."""

import os
from collections.abc import Sequence

import numpy as np

from fmkeras.report.plots.figures import new_figure, write_figure

COLUMNS, ROWS = 8, 3


def plot_label_issues(
    images: np.ndarray,
    issues: Sequence[dict],
    class_names: Sequence[str],
    path: str | os.PathLike,
) -> None:
    """Draw the first issues of an audit: label given, label guessed, verdict.

    `images` are uint8 (n, 28, 28); an issue has `image`, `label`, `guess` and
    `verdict` (whether the given label is wrong, arguable or right). Raises
    `UserError` for a file that is neither PNG nor SVG.
    """
    shown = issues[: COLUMNS * ROWS]
    figure = new_figure(1.25 * COLUMNS, 1.75 * ROWS)
    panels = figure.subplots(ROWS, COLUMNS, squeeze=False).flat
    for axes, issue in zip(panels, shown, strict=False):
        axes.imshow(images[issue["image"]], cmap="gray", vmin=0, vmax=255)
        given, guess = (class_names[issue[key]] for key in ("label", "guess"))
        axes.set_title(f"{given}\n\u2192 {guess}", fontsize=8)
        axes.set_xlabel(f"label {issue['verdict']}", fontsize=8)
    for axes in panels:
        axes.set_visible(False)
    for axes in figure.axes:
        axes.set_xticks([])
        axes.set_yticks([])
    write_figure(figure, path)
