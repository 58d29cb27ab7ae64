"""The page of one search drawn: figures for plotly, rows and filters of its table."""

import importlib.resources

from fmkeras.files import plain_name
from fmkeras.report.plots.search import (
    coordinates_figure,
    epochs_figure,
    history_figure,
    importances_figure,
)
from fmkeras.report.site.search_info import Choice, SearchInfo, is_number
from fmkeras.text.values import value_text

# More values than these are filtered by their ends, or not at all.
MOST_VALUES = 12
# Of an axis of the parallel coordinates: names and marks need it.
AXIS_REM = 6.5


def search_page_name(name: str) -> str:
    """Return the file name of a search's page."""
    return f"search-{plain_name(name)}.html"


def plotly_script() -> str:
    """Return plotly's script, which the pages of searches load from beside them."""
    file = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
    return file.read_text(encoding="utf-8")


def draw_search(info: SearchInfo) -> dict:
    """Return what the template of a search's page takes."""
    best = next((t for t in info.finished if t.name == info.best), None)
    figures = {}
    if info.finished:
        figures["history"] = history_figure(info)
    if any(trial.accuracies for trial in info.trials):
        figures["epochs"] = epochs_figure(info)
    figures["coordinates"] = coordinates_figure(info)
    figures["importances"] = importances_figure(info)
    return {
        "search": info,
        "best": best,
        "best_values": best
        and [
            (choice.label, value_text(best.values[choice.name]))
            for choice in info.choices
            if choice.name in best.values
        ],
        "figures": {name: figure for name, figure in figures.items() if figure},
        "coordinates_rem": AXIS_REM * (len(info.choices) + 1),
        "filters": [_filter(choice) for choice in info.choices if _can_filter(choice)],
        "states": sorted({trial.state for trial in info.trials}),
        "rows": [_row(info, trial) for trial in _ranked(info)],
    }


def search_row(info: SearchInfo) -> dict:
    """Return the row of a search in the list of all."""
    facts = dict(info.facts)
    return {
        "name": info.name,
        "file": search_page_name(info.name),
        "model": facts["Network"],
        "space": facts["Space"],
        "kind": facts["Search"],
        "finished": facts["Trials finished"],
        "accuracy": max((trial.accuracy for trial in info.finished), default=None),
    }


def _ranked(info: SearchInfo) -> list:
    return sorted(info.trials, key=lambda trial: -(trial.accuracy or 0))


def _row(info: SearchInfo, trial) -> dict:
    values = [trial.values.get(choice.name) for choice in info.choices]
    return {
        "trial": trial,
        "cells": [
            {
                "name": choice.name,
                "text": value_text(value),
                "sort": value if is_number(value) else value_text(value),
                "is_number": all(map(is_number, choice.values)),
            }
            for choice, value in zip(info.choices, values, strict=True)
        ],
        "best": trial.name == info.best,
    }


def _can_filter(choice: Choice) -> bool:
    few = 1 < len(choice.values) <= MOST_VALUES
    return few or (bool(choice.values) and all(map(is_number, choice.values)))


def _filter(choice: Choice) -> dict:
    by_value = len(choice.values) <= MOST_VALUES
    return {
        "name": choice.name,
        "label": choice.label,
        "values": choice.texts if by_value else [],
        "ends": [] if by_value else [min(choice.values), max(choice.values)],
    }
