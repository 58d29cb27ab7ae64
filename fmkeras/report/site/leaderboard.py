"""The rows of the report's leaderboard."""

import sys
from collections.abc import Iterable
from pathlib import Path

from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import fashionnet_size
from fmkeras.errors import UserError
from fmkeras.experiments.summary import kind_of, kinds_of_runs, summarise
from fmkeras.models import model_info
from fmkeras.models.summary import count_multiply_adds
from fmkeras.records import read_records, study_names
from fmkeras.report.site.entries import ReportEntry, count_trainable, page_name

LEADERBOARD = "leaderboard.csv"


def leaderboard(
    entries: Iterable[ReportEntry], records: str | Path, dataset: Dataset
) -> list[dict]:
    """Return one row per model, measured on the test images of `dataset`.

    `records` is the folder of studies; those of the model's kind (see `kinds_of_runs`)
    on data of that name give the spread over seeds. Published figures are those of
    Fashion-MNIST, so they stand beside no other data. `multiply_adds` is None where
    they cannot be told.
    """
    studies = _studies(records, dataset.name)
    rows = []
    for entry in entries:
        card, evaluation = entry.card, entry.evaluation
        published, note = None, ""
        if dataset.name == "fashion-mnist":
            published, note = _published(card.get("model", ""))
        chose = _chosen_by(card, dataset)
        note = "; ".join(filter(None, (note, chose)))
        rows.append(
            {
                "name": entry.name,
                "page": page_name(entry.name),
                "accuracy": evaluation.accuracy,
                "interval": evaluation.interval,
                "loss": evaluation.loss,
                "calibration_error": evaluation.calibration.error,
                "published": published,
                "note": note,
                "parameters": count_trainable(entry.model),
                "multiply_adds": count_multiply_adds(entry.model),
                "speed": evaluation.examples_per_second,
                "bytes": entry.bytes,
                "seeds": studies.get(kind_of(card)),
            }
        )
    return rows


def leaderboard_csv_rows(rows: Iterable[dict]) -> list[dict]:
    """Return the rows of leaderboard.csv, plain values in columns."""
    return [
        {
            "model": row["name"],
            "accuracy": row["accuracy"],
            "interval_low": row["interval"][0],
            "interval_high": row["interval"][1],
            "published": row["published"],
            "mean_over_seeds": row["seeds"]["mean"] if row["seeds"] else None,
            "spread_over_seeds": row["seeds"]["spread"] if row["seeds"] else None,
            "seeds": len(row["seeds"]["seeds"]) if row["seeds"] else None,
            "loss": row["loss"],
            "calibration_error": row["calibration_error"],
            "parameters": row["parameters"],
            "multiply_adds": row["multiply_adds"],
            "images_per_second": round(row["speed"], 1),
            "bytes": row["bytes"],
        }
        for row in rows
    ]


def _chosen_by(card: dict, dataset: Dataset) -> str:
    """Return which of the test images chose a model's epoch; empty for none."""
    own = card.get("dataset", {}).get("checksum") == dataset.checksum
    if not own or card.get("recipe", {}).get("data_split") != "fashionnet":
        return ""
    count = fashionnet_size(len(dataset.y_test))
    return f"{count:,} of these images chose its epoch, as in its source"


def _studies(records: str | Path, data: str) -> dict[tuple, dict]:
    folder = Path(records)
    found = {}
    for name in study_names(folder):
        try:
            records = read_records(name, folder)
        except UserError as error:
            print(f"fmkeras: Left out of the report: {error}", file=sys.stderr)
            continue
        kinds = kinds_of_runs(r for r in records if r["dataset"]["name"] == data)
        for kind, runs in kinds.items():
            [row] = summarise(runs)
            if row["spread"] is not None:
                found[kind] = row
    return found


def _published(model: str) -> tuple[float | None, str]:
    try:
        info = model_info(model)
    except UserError:
        # A model made elsewhere.
        return None, ""
    return info.published_accuracy, info.published_note
