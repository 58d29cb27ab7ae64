"""The rows of the report's leaderboard."""

import sys
from collections.abc import Iterable
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.experiments.summary import summarise
from fmkeras.models import model_info
from fmkeras.models.summary import count_multiply_adds
from fmkeras.records import read_records, study_names
from fmkeras.report.site.entries import ReportEntry, count_trainable, page_name

LEADERBOARD = "leaderboard.csv"


def leaderboard(
    entries: Iterable[ReportEntry], records: str | Path, data: str
) -> list[dict]:
    """Return one row per model.

    `records` is the folder of studies; those with the model's recipe, epochs and
    backend on the data set `data` give the spread over seeds.
    """
    studies = _studies(records, data)
    rows = []
    for entry in entries:
        card, evaluation = entry.card, entry.evaluation
        published, note = _published(card.get("model", ""))
        recipe = card.get("recipe", {})
        if recipe.get("data_split") == "fashionnet":
            chose = "6,000 of these images chose its epoch, as in its source"
            note = f"{note}; {chose}" if note else chose
        key = (card.get("model"), recipe.get("name"), recipe.get("epochs"))
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
                "seeds": studies.get((*key, card.get("backend"))),
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


def _studies(records: str | Path, data: str) -> dict[tuple, dict]:
    folder = Path(records)
    found = {}
    for name in study_names(folder):
        try:
            records = read_records(name, folder)
        except UserError as error:
            print(f"fmkeras: Left out of the report: {error}", file=sys.stderr)
            continue
        kept = [r for r in records if r["dataset"]["name"] == data and "test" in r]
        for row in summarise(kept):
            if row["spread"] is not None:
                key = (row["model"], row["recipe"], row["epochs"], row["backend"])
                found[key] = {**row, "study": name}
    return found


def _published(model: str) -> tuple[float | None, str]:
    try:
        info = model_info(model)
    except UserError:
        # A model made elsewhere.
        return None, ""
    return info.published_accuracy, info.published_note
