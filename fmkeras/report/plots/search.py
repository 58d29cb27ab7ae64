"""Plots of a search that answer to the mouse, drawn by plotly in the browser.

Each function returns a figure as JSON knows it, without colours of text and ground:
the page's script gives them those of its light or dark scheme.
"""

import math
from collections.abc import Sequence

from fmkeras.report.site.search_info import Choice, SearchInfo, SearchTrial, is_number
from fmkeras.text.values import value_text

# Colours told apart on white and on black, by people who see few colours too.
ONE, BEST = "#3b82c4", "#d9730d"
# From pale to dark on white; neither end is lost on black.
SHADES = [[0, "#8fb8de"], [0.5, "#4f7fb5"], [1, "#d9730d"]]
MOST_MARKS = 5
HEIGHT = 360


def history_figure(info: SearchInfo) -> dict:
    """Accuracy of each trial in the order of their numbers, and the best so far."""
    import plotly.graph_objects as go

    trials = info.finished
    numbers = [trial.name for trial in trials]
    best, highest = [], 0.0
    for trial in trials:
        highest = max(highest, trial.accuracy)
        best.append(100 * highest)
    each = go.Scatter(
        x=numbers,
        y=[100 * trial.accuracy for trial in trials],
        mode="markers",
        name="a trial",
        marker={"color": ONE, "size": 8},
        text=[trial_text(trial) for trial in trials],
        hovertemplate="%{text}<extra></extra>",
    )
    line = go.Scatter(
        x=numbers,
        y=best,
        mode="lines",
        name="best so far",
        line={"color": BEST, "shape": "hv", "width": 2},
        hovertemplate="best up to trial %{x}: %{y:.2f} %<extra></extra>",
    )
    axis = {"title": {"text": "Trial"}, "type": "category"}
    return _figure([each, line], axis, "Validation accuracy, %")


def epochs_figure(info: SearchInfo) -> dict:
    """Accuracy of every trial by epoch; the best one thick.

    The `name` of each line is its trial's: the page hides those that are filtered out.
    """
    import plotly.graph_objects as go

    trials = [trial for trial in info.trials if trial.accuracies]
    trials.sort(key=lambda trial: trial.name == info.best)
    lines = []
    for trial in trials:
        is_best = trial.name == info.best
        lines.append(
            go.Scatter(
                x=list(range(1, len(trial.accuracies) + 1)),
                y=[100 * value for value in trial.accuracies],
                mode="lines+markers",
                name=trial.name,
                opacity=1 if is_best else 0.6,
                line={"color": BEST if is_best else ONE, "width": 3 if is_best else 1},
                marker={"size": 4 if len(trial.accuracies) < 60 else 1},
                hovertemplate="epoch %{x}: %{y:.2f} %<br>"
                + trial_text(trial)
                + "<extra></extra>",
                showlegend=False,
            )
        )
    return _figure(lines, {"title": {"text": "Epoch"}}, "Validation accuracy, %")


def importances_figure(info: SearchInfo) -> dict | None:
    """Bars of `importances`; None where there are none."""
    import plotly.graph_objects as go

    if not info.importances:
        return None
    pairs = info.importances[::-1]
    bars = go.Bar(
        x=[100 * share for _, share in pairs],
        y=[choice.label for choice, _ in pairs],
        orientation="h",
        marker={"color": ONE},
        text=[f"{100 * share:.0f} %" for _, share in pairs],
        textposition="auto",
        hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
    )
    figure = _figure([bars], {"title": {"text": "Share, %"}}, "")
    figure["layout"]["height"] = 120 + 32 * len(pairs)
    return figure


def coordinates_figure(info: SearchInfo) -> dict | None:
    """A line a trial through its values to its accuracy; None for one trial or none."""
    import plotly.graph_objects as go

    trials = info.finished
    if len(trials) < 2:
        return None
    accuracies = [100 * trial.accuracy for trial in trials]
    dimensions = [
        _dimension(choice, trials) for choice in info.choices if choice.values
    ]
    marks = _spread(sorted(set(accuracies)))
    dimensions.append(
        {
            "label": "accuracy, %",
            "values": accuracies,
            "range": [min(accuracies), max(accuracies)],
            "tickvals": marks,
            "ticktext": [f"{mark:.2f}" for mark in marks],
        }
    )
    lines = go.Parcoords(
        dimensions=dimensions,
        line={"color": accuracies, "colorscale": SHADES, "showscale": False},
        labelangle=-20,
        labelside="bottom",
    )
    figure = _figure([lines], {}, "")
    figure["layout"] |= {"margin": {"l": 48, "r": 56, "t": 24, "b": 90}}
    return figure


def trial_text(trial: SearchTrial) -> str:
    """Return what the mouse shows of a trial: number, accuracy, values."""
    lines = [f"<b>trial {trial.name}</b>"]
    if trial.accuracy is not None:
        lines[0] += f": {100 * trial.accuracy:.2f} %, epoch {trial.kept_epoch}"
    lines += [
        f"{name.replace('_', ' ')}: {_escaped(value_text(value))}"
        for name, value in trial.values.items()
    ]
    return "<br>".join(lines)


def _dimension(choice: Choice, trials: Sequence[SearchTrial]) -> dict:
    """Return one axis; a trial without the choice lies below its other values."""
    told = [trial.values.get(choice.name) for trial in trials]
    if choice.scale != "values" and all(map(is_number, choice.values)):
        places = {value: float(value) for value in choice.values}
        if choice.scale == "log":
            places = {value: math.log10(value) for value in choice.values}
        marks = _spread(choice.values)
    else:
        # By its text: a list of units is no key.
        places = {text: float(place) for place, text in enumerate(choice.texts)}
        told = [None if value is None else value_text(value) for value in told]
        marks = choice.texts
    low, high = min(places.values()), max(places.values())
    texts = [value_text(mark) if is_number(mark) else _escaped(mark) for mark in marks]
    ticks = [places[mark] for mark in marks]
    if None in told:
        low -= (high - low) * 0.15 or 1.0
        ticks, texts = [low, *ticks], ["none", *texts]
    if low == high:
        low, high = low - 1, high + 1
    return {
        "label": _escaped(choice.label),
        "values": [low if value is None else places[value] for value in told],
        "range": [low, high],
        "tickvals": ticks,
        "ticktext": texts,
    }


def _spread(values: list) -> list:
    """Return some of many sorted values, the first and the last among them."""
    count = min(len(values), MOST_MARKS)
    places = {round(i * (len(values) - 1) / max(count - 1, 1)) for i in range(count)}
    return [values[place] for place in sorted(places)]


def _figure(traces: list, x_axis: dict, y_title: str) -> dict:
    import plotly.graph_objects as go

    figure = go.Figure(traces)
    figure.update_layout(
        # A template would bring the colours of its own.
        template=go.layout.Template(),
        height=HEIGHT,
        margin={"l": 56, "r": 16, "t": 24, "b": 48},
        hovermode="closest",
        legend={"orientation": "h", "y": 1.12, "x": 0},
        xaxis={"automargin": True, **x_axis},
        yaxis={"automargin": True, "title": {"text": y_title}},
        dragmode="zoom",
    )
    return figure.to_plotly_json()


def _escaped(text: str) -> str:
    """Plotly reads some HTML in its texts: what a user named is none."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
