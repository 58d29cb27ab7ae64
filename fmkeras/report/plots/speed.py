"""Plots of a benchmark: competitors side by side, and rates over sizes."""

import os

from matplotlib.ticker import LogLocator

from fmkeras.benchmark.speed.spread import rounds_of
from fmkeras.report.plots.figures import new_figure, write_figure
from fmkeras.report.tables.speed import BASELINE, ratios

# Colours that the colour-blind tell apart; ours are filled, the others are not.
_COLOURS = {"torch": "#d55e00", "tensorflow": "#0072b2", "jax": "#009e73"}
_KINDS = {
    "": ("o", 7),
    "bfloat16": ("D", 5),
    "compiled": ("*", 9),
    "bfloat16-compiled": ("P", 7),
}
_PEERS = {"pytorch-loader": "v", "pytorch-tuned": "^", "keras-fit": "x"}


def plot_speed(record: dict, path: str | os.PathLike) -> None:
    """Draw training and inference side by side, one row per network.

    The logarithmic axis is the ratio of images per second to the plain PyTorch loop;
    a line through a point reaches from the smallest to the largest ratio of a round.
    Raises `UserError` for a file that is neither PNG nor
    SVG.
    """
    names = [n for n, entry in record["models"].items() if "left_out" not in entry]
    labels = [n for n in record["settings"]["contestants"] if n != BASELINE]
    figure = new_figure(10.0, 1.9 + 0.36 * max(len(names), 1))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, what, title in zip(
        panels, ("train", "predict"), ("Training", "Inference"), strict=True
    ):
        axes.axvline(1.0, color="0.4", linewidth=1)
        for label in labels:
            found = ratios(record, [label], BASELINE, what)
            rows = [row for row, name in enumerate(names) if name in found]
            values = [found[names[row]] for row in rows]
            style = _marker(label)
            # How far the rounds differ.
            axes.hlines(
                rows,
                [ratio.low for ratio in values],
                [ratio.high for ratio in values],
                color=style["color"],
                linewidth=0.8,
                alpha=0.6,
            )
            points = [ratio.value for ratio in values]
            axes.plot(points, rows, linestyle="none", label=label, **style)
        axes.set_xscale("log")
        axes.set_title(title)
        axes.set_xlabel("times the plain PyTorch loop")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xticks([0.1, 0.2, 0.5, 1, 2, 5, 10])
        axes.minorticks_off()
        axes.grid(True, color="0.9")
        axes.set_axisbelow(True)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=5, frameon=False)
    write_figure(figure, path)


def plot_scaling(record: dict, path: str | os.PathLike) -> None:
    """Draw images per second over batch size and image size, one row per network.

    All axes are logarithmic. Raises `UserError` for a file that is neither PNG nor SVG.
    """
    names = list(record["models"])
    figure = new_figure(10.0, 0.8 + 3.4 * max(len(names), 1))
    panels = figure.subplots(max(len(names), 1), 2, squeeze=False)
    batch = record["settings"]["batch_size"]
    for name, pair in zip(names, panels, strict=True):
        for axes, kind, title, text in zip(
            pair,
            ("batch", "side"),
            (f"{name}, 28 x 28 pixels", f"{name}, batches of {batch}"),
            ("images a step", "pixels a side"),
            strict=True,
        ):
            points = record["models"][name][kind]
            sizes = [int(size) for size in points]
            for label in record["settings"]["contestants"]:
                rates = [figures[label]["median"] for figures in points.values()]
                style = _curve(label)
                rounds = [rounds_of(figures[label]) for figures in points.values()]
                low, high = map(min, rounds), map(max, rounds)
                axes.vlines(
                    sizes, list(low), list(high), color=style["color"], alpha=0.6
                )
                axes.plot(sizes, rates, label=label, **style)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_title(title)
            axes.set_xlabel(text)
            axes.set_ylabel("images per second")
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:,.0f}")
            axes.minorticks_off()
            axes.grid(True, color="0.9")
            axes.set_axisbelow(True)
    handles, texts = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=5, frameon=False)
    write_figure(figure, path)


def _curve(label: str) -> dict:
    if label == BASELINE:
        return {"color": "0.25", "marker": "s", "linestyle": "--"}
    style = ":" if label.endswith("-bfloat16") else "-"
    return _marker(label) | {"linestyle": style}


def _marker(label: str) -> dict:
    for start, marker in _PEERS.items():
        if label.startswith(start):
            return {"marker": marker, "color": "0.25", "fillstyle": "none"}
    backend, _, kind = label.removeprefix("ours-").partition("-")
    marker, size = _KINDS[kind]
    return {"marker": marker, "color": _COLOURS[backend], "markersize": size}
