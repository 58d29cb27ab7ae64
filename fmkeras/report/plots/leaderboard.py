"""The charts below the leaderboard: accuracy against size and speed."""

from collections.abc import Sequence

from fmkeras.report.plots.charts import inline_svg, scatter_figure


def leaderboard_charts(rows: Sequence[dict]) -> list[dict]:
    """Return accuracy against parameters, and against speed, as inline SVG."""
    charts = []
    for key, label, title in (
        ("parameters", "Trainable parameters", "Accuracy against parameters"),
        ("speed", "Test images per second", "Accuracy against speed"),
    ):
        figure = scatter_figure(
            [row["name"] for row in rows],
            [max(row[key], 1) for row in rows],
            [row["accuracy"] for row in rows],
            [row["interval"] for row in rows],
            label,
        )
        said = "; ".join(
            f"{row['name']} {row['accuracy']:.2%} at {row[key]:,.0f}" for row in rows
        )
        charts.append({"title": title, "svg": inline_svg(figure, f"{title}: {said}")})
    return charts
