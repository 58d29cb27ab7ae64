"""Pictures of a search: heat map, parallel coordinates, accuracy against time."""

import itertools
from pathlib import Path

import numpy as np

from fmkeras.report.plots.figures import new_figure, write_figure
from tuner.settings import Settings
from tuner.spaces.space import Hyperparameter
from tuner.trials import files as trial_files

HEAT_MAP = "heat-map.png"
COORDINATES = "parallel-coordinates.png"
TIMES = "accuracy-against-time.png"
# More panels than these are no picture any more.
PANELS = 9


def draw_pictures(folder: Path, settings: Settings, rows: list[dict]) -> list[Path]:
    """Draw what the trials of a search allow; return the files."""
    finished = [row for row in rows if row["state"] == trial_files.FINISHED]
    made = []
    if panels(settings) and rows:
        made.append(folder / HEAT_MAP)
        draw_heat_map(settings, rows, made[-1])
    if len(finished) > 1:
        if len(settings.space.hyperparameters) > 2:
            made.append(folder / COORDINATES)
            draw_coordinates(settings, finished, made[-1])
        made.append(folder / TIMES)
        draw_times(settings, finished, made[-1])
    return made


def panels(settings: Settings) -> list[dict]:
    """Return the further choices, one a panel; none where there is no heat map.

    A heat map takes lists of batch sizes and learning rates, and few other values.
    """
    choices = {h.name: h for h in settings.space.hyperparameters}
    sides = [choices.pop(name, None) for name in ("batch_size", "learning_rate")]
    if not all(side and side.values for side in sides):
        return []
    if not all(choice.values for choice in choices.values()):
        return []
    combinations = itertools.product(*(choice.values for choice in choices.values()))
    found = [dict(zip(choices, values, strict=True)) for values in combinations]
    return found if len(found) <= PANELS else []


def draw_heat_map(settings: Settings, rows: list[dict], path: Path) -> None:
    """Draw validation accuracy, % in the cells, by batch size and learning rate."""
    choices = {h.name: h for h in settings.space.hyperparameters}
    batches, rates = choices["batch_size"].values, choices["learning_rate"].values
    shown = panels(settings)
    accuracies = [r["val_accuracy"] for r in rows if r["val_accuracy"] is not None]
    shades = _shades(np.array(accuracies or [0.0, 1.0]))
    # No cell is black: the best of them are to be told apart.
    spread = max(np.ptp(shades), 1e-9)
    limits = {"vmin": shades.min(), "vmax": shades.max() + 0.3 * spread}
    width, height = 1.4 + 0.85 * len(rates), 1.1 + 0.42 * len(batches)
    figure = new_figure(width * len(shown), height)
    for axes, further in zip(
        np.atleast_1d(figure.subplots(1, len(shown))), shown, strict=True
    ):
        cells = np.full((len(batches), len(rates)), np.nan)
        for row in rows:
            values = row["values"]
            if any(_plain(values.get(k)) != _plain(v) for k, v in further.items()):
                continue
            place = (
                batches.index(values["batch_size"]),
                rates.index(values["learning_rate"]),
            )
            if row["val_accuracy"] is not None:
                cells[place] = row["val_accuracy"]
            elif row["state"] == trial_files.FAILED:
                _write_cell(axes, place, "failed", "0.4")
        image = axes.imshow(_shades(cells), cmap="Greys", aspect="auto", **limits)
        for place, accuracy in np.ndenumerate(cells):
            if not np.isnan(accuracy):
                dark = image.norm(_shades(accuracy)) > 0.55
                text = f"{100 * accuracy:.2f}"
                _write_cell(axes, place, text, "white" if dark else "black")
        axes.set_xticks(range(len(rates)), [_number(rate) for rate in rates])
        axes.set_yticks(range(len(batches)), [f"{batch:,}" for batch in batches])
        axes.set_xlabel("Learning rate")
        axes.set_ylabel("Batch size")
        axes.tick_params(length=0)
        title = ", ".join(f"{name} {value}" for name, value in further.items())
        axes.set_title(title or f"{settings.model}: validation accuracy, %", fontsize=9)
    write_figure(figure, path)


def draw_coordinates(settings: Settings, rows: list[dict], path: Path) -> None:
    """Draw a line a trial through all its values to its accuracy; dark is better."""
    choices = settings.space.hyperparameters
    figure = new_figure(1.3 * (len(choices) + 1), 4.2)
    axes = figure.add_subplot()
    accuracies = np.array([row["val_accuracy"] for row in rows])
    low, high = accuracies.min(), accuracies.max()
    shades = _shades(accuracies)
    shares = (shades - shades.min()) / (np.ptp(shades) or 1)
    for number, choice in enumerate(choices):
        for height, text in _marks(choice):
            axes.text(number + 0.04, height, text, fontsize=7, va="center", color="0.3")
    for height, value in ((0, low), (1, high)):
        text = f"{100 * value:.2f} %"
        axes.text(len(choices) + 0.04, height, text, fontsize=7, va="center")
    for index in np.argsort(shares):
        values = rows[index]["values"]
        line = [_height(c, values.get(c.name)) for c in choices] + [shares[index]]
        color = str(0.85 * (1 - shares[index]))
        # A choice that a trial did not have leaves a gap.
        axes.plot(range(len(line)), line, "o-", color=color, linewidth=1, markersize=2)
    names = [choice.name for choice in choices] + ["val_accuracy"]
    axes.set_xticks(
        range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor"
    )
    for number in range(len(names)):
        axes.axvline(number, color="0.8", linewidth=0.8, zorder=0)
    axes.set_yticks([])
    axes.set_xlim(-0.2, len(names) - 0.2)
    axes.spines[:].set_visible(False)
    write_figure(figure, path)


def draw_times(settings: Settings, rows: list[dict], path: Path) -> None:
    """Draw what a trial's accuracy cost, and the best one as the search went on."""
    figure = new_figure(9, 3.6)
    each, best = figure.subplots(1, 2)
    accuracies = [100 * row["val_accuracy"] for row in rows]
    minutes = [row["seconds"] / 60 for row in rows]
    each.plot(minutes, accuracies, "o", color="black", markersize=4)
    each.set_xlabel("Minutes of training, a trial")
    each.set_ylabel("Validation accuracy, %")
    total = np.cumsum(minutes)
    best.step(total, np.maximum.accumulate(accuracies), where="post", color="black")
    best.plot(total, accuracies, "o", color="0.6", markersize=3)
    best.set_xlabel("Minutes of training, all trials so far")
    best.set_ylabel("Best so far, %")
    for axes in (each, best):
        axes.grid(alpha=0.3)
    write_figure(figure, path)


def _write_cell(axes, place: tuple[int, int], text: str, color: str) -> None:
    axes.text(
        place[1], place[0], text, ha="center", va="center", fontsize=8, color=color
    )


def _shades(accuracies):
    """Spread accuracies by their errors: 89 and 90 % differ more than 49 and 50."""
    return -np.log(np.maximum(1 - accuracies, 1e-4))


def _number(value: float) -> str:
    return np.format_float_positional(value, trim="-")


def _marks(choice: Hyperparameter) -> list[tuple[float, str]]:
    marks = choice.values or (choice.minimum, choice.maximum)
    texts = [_number(v) if isinstance(v, float) else str(v) for v in marks]
    return [(_height(choice, v), t) for v, t in zip(marks, texts, strict=True)]


def _height(choice: Hyperparameter, value) -> float:
    """Where a value lies on its axis, 0 to 1; none where the trial has no such."""
    if value is None:
        return np.nan
    if choice.values:
        place = [_plain(v) for v in choice.values].index(_plain(value))
        return place / max(len(choice.values) - 1, 1)
    ends = np.array([choice.minimum, value, choice.maximum], float)
    low, middle, high = np.log(ends) if choice.sampling == "log" else ends
    return float((middle - low) / (high - low))


def _plain(value):
    return tuple(value) if isinstance(value, list) else value
