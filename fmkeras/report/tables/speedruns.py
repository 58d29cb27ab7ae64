"""The table of speed records: what was reached, in which time, by which commit."""

import statistics
from pathlib import Path

from fmkeras.benchmark.speedrun.record import (
    planned_runs,
    read_speed_record,
    short_commit,
)
from fmkeras.benchmark.speedrun.run import beside, seconds_text, verdict
from fmkeras.records import SPEEDRUNS
from fmkeras.report.tables.markdown import markdown_table


def speedrun_table(root: Path) -> str:
    """Return one row a record, those of one bar together, the quickest first.

    Records of Fashion-MNIST alone: a bar says nothing of other data.
    """
    folder = root / SPEEDRUNS
    records = [read_speed_record(path) for path in sorted(folder.glob("*.json"))]
    records = [one for one in records if one["dataset"]["name"] == "fashion-mnist"]
    if not records:
        return "No record yet: `make speedrun` makes it."
    records.sort(key=lambda record: (record["goal"]["bar"], _seconds(record, "ours")))
    heads = (
        "bar",
        "network",
        "epochs",
        "views",
        "device",
        "runs",
        "mean accuracy",
        "p",
        "seconds",
        "plain PyTorch",
        "in bfloat16",
        "commit",
        "date",
    )
    return markdown_table(heads, [_row(record) for record in records], "llrllrrrrrrll")


def _row(record: dict) -> tuple[str, ...]:
    goal = record["goal"]
    ours = [run for run in record["runs"] if run["kind"] == "ours"]
    accuracies = [run["accuracy"] for run in ours]
    found = verdict(accuracies, goal["bar"], planned_runs(record))
    options = ", ".join(
        f"{key} {'-'.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in goal["options"].items()
    )
    seconds = [run["seconds"] for run in ours]
    spread = f" ± {statistics.stdev(seconds):.1f}" if len(seconds) > 1 else ""
    return (
        f"{100 * goal['bar']:.0f} %{'' if found.reached else ', not shown'}",
        f"`{goal['model']}` {options}".strip(),
        str(goal["recipe"]["epochs"]),
        goal["views"],
        f"{record['backend']}, {record['device']}",
        str(found.count),
        f"{100 * found.mean:.2f} ± {100 * found.deviation:.2f} %",
        f"{found.p_value:.2g}",
        f"{statistics.mean(seconds):.1f}{spread}",
        _beside(record, "pytorch"),
        _beside(record, "pytorch-bfloat16"),
        short_commit(record["commit"]),
        record["time"][:10],
    )


def _beside(record: dict, kind: str) -> str:
    seconds, ratios = beside(record, kind)
    if not ratios:
        return ""
    return f"{seconds_text(seconds)}: {statistics.mean(ratios):.2f}x"


def _seconds(record: dict, kind: str) -> float:
    return statistics.mean(r["seconds"] for r in record["runs"] if r["kind"] == kind)
