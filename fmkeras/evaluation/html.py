"""Evaluations and comparisons as HTML, for notebooks."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from fmkeras.evaluation.metrics import accuracy, mean_rates, per_class
from fmkeras.evaluation.names import shown_names


def html_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; floats have four digits, the first column is a heading."""
    lines = ["<table>", _row("th", head)]
    for first, *others in rows:
        cells = "".join(f"<td>{_text(value)}</td>" for value in others)
        lines.append(f"<tr><th>{_text(first)}</th>{cells}</tr>")
    return "\n".join([*lines, "</table>"])


def per_class_html(confusion: np.ndarray, class_names: Sequence[str]) -> str:
    """Return the table of precision, recall, F1 and support of each class."""
    figures = per_class(confusion)
    columns = figures.precision, figures.recall, figures.f1, figures.support
    rows = [
        (name, *values)
        for name, *values in zip(
            class_names, *(column.tolist() for column in columns), strict=True
        )
    ]
    total = figures.support.sum().item()
    rows.append(("accuracy", "", "", accuracy(confusion), total))
    for kind, mean in mean_rates(confusion).items():
        rows.append((f"{kind} avg", *mean.values(), total))
    return html_table(("", "precision", "recall", "F1", "support"), rows)


def evaluation_html(evaluation) -> str:
    """Return an `Evaluation`: accuracy, interval, loss, and the classes' table."""
    low, high = evaluation.interval
    line = (
        f"Accuracy <b>{evaluation.accuracy:.4f}</b> (95 % interval {low:.4f} to "
        f"{high:.4f}), loss {evaluation.loss:.4f}, {evaluation.count:,} images"
    )
    table = per_class_html(evaluation.confusion, evaluation.class_names)
    return f"<p>{line}</p>\n{table}"


def comparison_html(comparison) -> str:
    """Return a `Comparison`: the accuracies, and every pair with its test."""
    shown = shown_names(comparison.names)
    accuracies = zip(shown.values(), comparison.accuracies, strict=True)
    first = html_table(("model", "accuracy"), accuracies)
    rows = []
    for pair in comparison.pairs:
        low, high = pair.interval
        rows.append(
            (
                f"{shown[pair.first]} - {shown[pair.second]}",
                f"{pair.difference:+.4f}",
                f"{low:+.4f} to {high:+.4f}",
                f"{pair.only_first} : {pair.only_second}",
                f"{pair.adjusted:.2g}",
            )
        )
    head = ("pair", "difference", "95 % interval", "only one is right", "p (Holm)")
    return f"{first}\n{html_table(head, rows)}"


def _row(tag: str, cells: Iterable[object]) -> str:
    inside = "".join(f"<{tag}>{_text(cell)}</{tag}>" for cell in cells)
    return f"<tr>{inside}</tr>"


def _text(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else escape(str(value))
