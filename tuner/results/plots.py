"""Pictures of a search: heat map or map, parallel coordinates, accuracy and time."""

import itertools
from pathlib import Path

import numpy as np

from fmkeras.report.plots.figures import new_figure, write_figure
from fmkeras.text.durations import fitting_unit
from fmkeras.text.values import value_text
from tuner.settings import Settings
from tuner.spaces.space import Hyperparameter
from tuner.trials import files as trial_files

HEAT_MAP = "heat-map.png"
COORDINATES = "parallel-coordinates.png"
TIMES = "accuracy-against-time.png"
MAP = "map.png"
# Marks of an axis nearer to each other than this would be written one over another.
LEAST_GAP = 0.05
# What stands behind a label, so that lines and points do not cross it.
BEHIND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1}
# More panels than these are no picture any more.
PANELS = 9


def draw_pictures(folder: Path, settings: Settings, rows: list[dict]) -> list[Path]:
    """Draw what the trials of a search allow; return the files."""
    finished = [row for row in rows if row["state"] == trial_files.FINISHED]
    gaps = _has_gaps(settings)
    made = []
    if panels(settings) and rows:
        made.append(folder / HEAT_MAP)
        draw_heat_map(settings, rows, made[-1])
    if len(finished) > 1:
        if not made and not gaps and len(settings.space.hyperparameters) == 2:
            made.append(folder / MAP)
            draw_map(settings, finished, made[-1])
        if gaps or len(settings.space.hyperparameters) > 2:
            made.append(folder / COORDINATES)
            draw_coordinates(settings, finished, made[-1])
        made.append(folder / TIMES)
        draw_times(settings, finished, made[-1])
    return made


def _has_gaps(settings: Settings) -> bool:
    """Say whether some trials may lack a choice: a gap in a line, no place on a map."""
    return any(choice.when for choice in settings.space.hyperparameters)


def panels(settings: Settings) -> list[dict]:
    """Return the further choices, one a panel; none where there is no heat map.

    A heat map takes lists of batch sizes and learning rates, and few other values,
    which every trial has.
    """
    if _has_gaps(settings):
        return []
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
        axes.set_xticks(range(len(rates)), [value_text(rate) for rate in rates])
        axes.set_yticks(range(len(batches)), [f"{batch:,}" for batch in batches])
        axes.set_xlabel("Learning rate")
        axes.set_ylabel("Batch size")
        axes.tick_params(length=0)
        title = ", ".join(f"{n} {value_text(v)}" for n, v in further.items())
        axes.set_title(title or f"{settings.model}: validation accuracy, %", fontsize=9)
    write_figure(figure, path)


def draw_map(settings: Settings, rows: list[dict], path: Path) -> None:
    """Draw each trial by its two hyperparameters; dark is better, the best is named."""
    from matplotlib.ticker import LogLocator

    figure = new_figure(5.4, 4.2)
    axes = figure.add_subplot()
    accuracies = np.array([row["val_accuracy"] for row in rows])
    shades = _shades(accuracies)
    sides = settings.space.hyperparameters
    places = [
        [_place(choice, row["values"].get(choice.name)) for row in rows]
        for choice in sides
    ]
    points = axes.scatter(
        *places, c=shades, cmap="Greys", edgecolors="0.3", linewidths=0.6, s=45
    )
    # The palest point is to be seen on white.
    points.set_clim(shades.min() - 0.2 * (np.ptp(shades) or 1.0), shades.max())
    best = int(accuracies.argmax())
    right = places[0][best] > np.median(places[0])
    axes.annotate(
        f"{100 * accuracies[best]:.2f} %",
        (places[0][best], places[1][best]),
        (-7 if right else 7, 0),
        textcoords="offset points",
        ha="right" if right else "left",
        va="center",
        fontsize=8,
        bbox=BEHIND,
    )
    for choice, axis, set_scale in zip(
        sides, (axes.xaxis, axes.yaxis), (axes.set_xscale, axes.set_yscale), strict=True
    ):
        axis.set_label_text(_title(choice.name))
        if choice.values:
            axis.set_ticks(range(len(choice.values)), map(value_text, choice.values))
        elif choice.sampling == "log":
            set_scale("log")
            decades = np.log10(choice.maximum / choice.minimum)
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 3 else (1,)))
        axis.set_minor_formatter("")
        if not choice.values:
            axis.set_major_formatter(lambda value, _: value_text(float(value)))
    low, high = (_shades(accuracies).min(), _shades(accuracies).max())
    bar = figure.colorbar(points, ax=axes, ticks=[low, high] if high > low else [low])
    ends = (accuracies.min(), accuracies.max()) if high > low else (low,)
    bar.ax.set_yticklabels([f"{100 * end:.2f} %" for end in ends])
    axes.set_title(f"{settings.model}: validation accuracy", fontsize=9)
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
            axes.text(
                number + 0.04,
                height,
                text,
                fontsize=7,
                va="center",
                color="0.3",
                bbox=BEHIND,
            )
    for height, value in ((0, low), (1, high)) if high > low else ((0, low),):
        text = f"{100 * value:.2f} %"
        axes.text(len(choices) + 0.04, height, text, fontsize=7, va="center")
    for index in np.argsort(shares):
        values = rows[index]["values"]
        line = [_height(c, values.get(c.name)) for c in choices] + [shares[index]]
        color = str(0.85 * (1 - shares[index]))
        # A choice that a trial did not have leaves a gap.
        axes.plot(range(len(line)), line, "o-", color=color, linewidth=1, markersize=2)
    names = [_title(c.name) for c in choices] + ["Validation accuracy"]
    axes.set_xticks(
        range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor"
    )
    for number in range(len(names)):
        axes.axvline(number, color="0.8", linewidth=0.8, zorder=0)
    axes.set_yticks([])
    axes.set_xlim(-0.2, len(names) - 0.2)
    axes.spines[:].set_visible(False)
    axes.set_title(
        f"{settings.model}: {len(rows)} trials of {settings.space.name}, dark is best",
        fontsize=9,
    )
    write_figure(figure, path)


def draw_times(settings: Settings, rows: list[dict], path: Path) -> None:
    """Draw what a trial's accuracy cost, and the best one as the search went on."""
    figure = new_figure(9, 3.6)
    each, best = figure.subplots(1, 2)
    accuracies = [100 * row["val_accuracy"] for row in rows]
    seconds = np.array([row["seconds"] for row in rows])
    unit, length = fitting_unit(seconds.max())
    each.plot(seconds / length, accuracies, "o", color="black", markersize=4)
    each.set_xlabel(f"{unit.capitalize()} of training, a trial")
    each.set_ylabel("Validation accuracy, %")
    total = np.cumsum(seconds)
    unit, length = fitting_unit(total[-1])
    total = total / length
    best.step(total, np.maximum.accumulate(accuracies), where="post", color="black")
    best.plot(total, accuracies, "o", color="0.6", markersize=3)
    best.set_xlabel(f"{unit.capitalize()} of training, all trials so far")
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


def _title(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _place(choice: Hyperparameter, value) -> float:
    """Where a value lies on an axis of its own numbers, or of the choices' order."""
    if choice.values:
        return [_plain(v) for v in choice.values].index(_plain(value))
    return float(value)


def _marks(choice: Hyperparameter) -> list[tuple[float, str]]:
    """Return the heights and texts of an axis, none so near that they overlap."""
    marks = choice.values or (choice.minimum, choice.maximum)
    kept: list[tuple[float, str]] = []
    for value in marks:
        height = _height(choice, value)
        if not kept or height - kept[-1][0] >= LEAST_GAP:
            kept.append((height, value_text(value)))
    return kept


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
