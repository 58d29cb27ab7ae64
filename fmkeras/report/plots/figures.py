"""Plots of data, confusion matrices and training, as PNG or SVG files."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from fmkeras.errors import UserError
from fmkeras.files import check_file, replacing
from fmkeras.labels import CLASS_NAMES

# Matplotlib takes a second to import, so each function imports it when called; they
# use figures of their own and leave the global state of pyplot alone.
SUFFIXES = (".png", ".svg")
DOTS_PER_INCH = 150


def plot_samples(
    images: np.ndarray,
    labels: np.ndarray,
    path: str | os.PathLike,
    per_class: int = 12,
    class_names: Sequence[str] = CLASS_NAMES,
) -> None:
    """Draw the first `per_class` images of each class, one row per class.

    They are drawn as a network gets them: 0 is black, as everywhere in the report.
    `images` are uint8 (n, 28, 28), `labels` integers (n,). A class with fewer images
    leaves its row short. Raises `UserError` for a file that is neither PNG nor SVG.
    """
    height, width = images.shape[1:3]
    rows = len(class_names)
    gap = 2
    sheet = np.zeros(
        (rows * (height + gap) - gap, per_class * (width + gap) - gap), np.uint8
    )
    for label in range(rows):
        for column, index in enumerate(np.flatnonzero(labels == label)[:per_class]):
            top, left = label * (height + gap), column * (width + gap)
            sheet[top : top + height, left : left + width] = images[index]

    inches = 0.42  # an image's side
    figure = new_figure(per_class * inches + 1.2, rows * inches + 0.2)
    axes = figure.add_subplot()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    middles = np.arange(rows) * (height + gap) + (height - 1) / 2
    axes.set_yticks(middles, class_names)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    write_figure(figure, path)


def plot_augmented(
    images: np.ndarray, augmented: np.ndarray, path: str | os.PathLike
) -> None:
    """Draw each image above what augmentation made of it, in two epochs or more.

    `images` are uint8 (n, 28, 28), `augmented` (epochs, n, 28, 28). Raises `UserError`
    for a file that is neither PNG nor SVG.
    """
    rows = np.stack([images, *augmented])
    framed = np.pad(rows, ((0, 0), (0, 0), (1, 1), (1, 1)))
    sheet = framed.transpose(0, 2, 1, 3).reshape(len(rows) * framed.shape[2], -1)
    inches = 0.5  # an image's side
    figure = new_figure(len(images) * inches + 1.2, len(rows) * inches + 0.2)
    axes = figure.add_subplot()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    names = ["Original", *(f"Epoch {n}" for n in range(1, len(rows)))]
    axes.set_yticks((np.arange(len(rows)) + 0.5) * framed.shape[2] - 0.5, names)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    write_figure(figure, path)


def plot_class_counts(
    train_labels: np.ndarray,
    test_labels: np.ndarray,
    path: str | os.PathLike,
    class_names: Sequence[str] = CLASS_NAMES,
) -> None:
    """Draw how many training and test images each class has, as bars.

    Labels are integers (n,). Raises `UserError` for a file that is neither PNG nor SVG.
    """
    places = np.arange(len(class_names))
    figure = new_figure(7, 0.8 + 0.36 * len(class_names))
    axes = figure.add_subplot()
    for labels, offset, color, name in (
        (train_labels, -0.2, "0.35", "training images"),
        (test_labels, 0.2, "0.7", "test images"),
    ):
        counts = np.bincount(labels, minlength=len(class_names))
        bars = axes.barh(places + offset, counts, 0.38, color=color, label=name)
        axes.bar_label(bars, [f"{count:,}" for count in counts], padding=2, fontsize=8)
    axes.set_yticks(places, class_names)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("Images")
    axes.spines[["top", "right"]].set_visible(False)
    # Under the axis, where no bar reaches.
    axes.legend(
        frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, -0.1), fontsize=8
    )
    write_figure(figure, path)


def plot_confusion_matrix(
    confusion: np.ndarray,
    path: str | os.PathLike,
    title: str = "",
    class_names: Sequence[str] = CLASS_NAMES,
    normalise: bool = False,
) -> None:
    """Draw counts, int64 (classes, classes); the shade is the share of the row.

    Rows are the true classes. With `normalise` a cell holds the share of its row in
    place of the count: the diagonal is the recall of each class.

    The darkest cell is a whole row, so that shades of two pictures compare.
    Raises `UserError` for a file that is neither PNG nor SVG.
    """
    totals = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shares = confusion / totals
    side = max(len(class_names), 6)
    figure = new_figure(1.2 + 0.6 * side, 0.4 + 0.6 * side)
    axes = figure.add_subplot()
    # The square root lets the few errors be seen beside the diagonal.
    image = axes.imshow(np.sqrt(shares), cmap="Greys", vmin=0, vmax=1)
    for (true, predicted), count in np.ndenumerate(confusion):
        dark = image.norm(np.sqrt(shares[true, predicted])) > 0.6
        axes.text(
            predicted,
            true,
            f"{shares[true, predicted]:.2f}" if normalise else f"{count:,}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "black" if count else "0.7",
        )
    places = range(len(class_names))
    axes.set_xticks(
        places, class_names, rotation=45, ha="right", rotation_mode="anchor"
    )
    axes.set_yticks(places, class_names)
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    axes.tick_params(length=0)
    if title:
        axes.set_title(title)
    write_figure(figure, path)


def history_figure(history: Iterable[Mapping[str, object]]):
    """Return a figure of loss and accuracy over the epochs.

    Each row holds `epoch`, `loss`, `accuracy`, `val_loss` and `val_accuracy`, as
    numbers or as the text that a CSV file gives; without those of validation, the
    training curves alone are drawn. Raises `UserError` where there is no epoch.
    """
    from matplotlib.ticker import MaxNLocator

    rows = list(history)
    if not rows:
        raise UserError("There is no finished epoch to draw; expected at least one.")
    epochs = [int(row["epoch"]) for row in rows]
    figure = new_figure(9, 3.6)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        # Told apart by dashes and, where one epoch makes no line, by marks.
        lines = ((name, "Training", "s--"), (f"val_{name}", "Validation", "o-"))
        for key, label, style in lines:
            if key not in rows[0]:
                continue
            values = [float(row[key]) for row in rows]
            size = 6 if len(rows) == 1 else 0
            axes.plot(epochs, values, style, markersize=size, label=label)
        axes.set_xlabel("Epoch")
        axes.set_ylabel(name.capitalize())
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure


def new_figure(width: float, height: float):
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


@contextlib.contextmanager
def texts_as_they_are(figure) -> Iterator[None]:
    """Draw a figure within this: signs of dollars in its texts begin no formula.

    Names of classes and models may hold any, and a pair of them would be drawn as
    mathematics, or not at all.
    """
    import matplotlib
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    # Some labels are made when the figure is drawn.
    with matplotlib.rc_context({"text.parse_math": False}):
        yield


def check_figures(*paths: str | os.PathLike | None) -> None:
    """Raise `UserError` for a path where no figure can be; None stands for none."""
    for path in paths:
        if path is not None:
            _check_suffix(path)
    check_file(*paths)


def _check_suffix(path: str | os.PathLike) -> None:
    if Path(path).suffix.lower() not in SUFFIXES:
        raise UserError(
            f"Plots are written as {' or '.join(SUFFIXES)}; give a file name that "
            f"ends so. Received: {path}"
        )


def write_figure(figure, path: str | os.PathLike) -> None:
    import matplotlib

    _check_suffix(path)
    # Without a date and with fixed names inside, equal figures make equal files.
    metadata = {"Date": None} if Path(path).suffix.lower() == ".svg" else None
    hashsalt = matplotlib.rc_context({"svg.hashsalt": "0"})
    with replacing(path) as temporary, hashsalt, texts_as_they_are(figure):
        # 'tight' measures the finished drawing, so that no label is cut at an edge.
        figure.savefig(
            temporary,
            dpi=DOTS_PER_INCH,
            metadata=metadata,
            bbox_inches="tight",
            pad_inches=0.1,
        )
