"""What a search leaves: a row a trial, the best recipe, and no checkpoint too many."""

import csv
import shlex
from pathlib import Path

from keras_tuner.engine.trial import TrialStatus

from fmkeras.files import ESCAPED, replacing, write_json
from fmkeras.training.checkpoint_file import previous_path
from fmkeras.training.run_dir import CHECKPOINT
from tuner.oracles import DurableOracle
from tuner.settings import Settings
from tuner.trials import files as trial_files
from tuner.trials.run import trial_recipe

_STATES = {
    TrialStatus.COMPLETED: trial_files.FINISHED,
    TrialStatus.FAILED: trial_files.FAILED,
}


def trial_rows(oracle: DurableOracle) -> list[dict]:
    """Return a row for each trial, in the order of their numbers.

    `values` are those of its hyperparameters, `val_accuracy` the kept epoch's,
    `val_accuracies` those of all epochs so far, `seconds` of training alone, without
    the epochs of a trial that it went on from.
    """
    rows = []
    for trial_id in sorted(oracle.trials, key=int):
        trial = oracle.trials[trial_id]
        history = trial_files.read_history(oracle.folder, trial_id)
        outcome = trial_files.read_outcome(oracle.folder, trial_id) or {}
        accuracies = [row["val_accuracy"] for row in history]
        own = _own_epochs(oracle, trial, history)
        seconds = sum(row["seconds"] for row in own)
        images = sum(row["seconds"] * row["examples_per_second"] for row in own)
        rows.append(
            {
                "trial": trial_id,
                "state": _STATES.get(trial.status, trial_files.RUNNING),
                "reason": outcome.get("reason"),
                "values": oracle.plan(trial)["values"],
                "val_accuracy": outcome.get("val_accuracy"),
                "val_loss": outcome.get("val_loss"),
                "kept_epoch": outcome.get("kept_epoch"),
                "best_epoch": _best_epoch(accuracies),
                "epochs": len(history),
                "val_accuracies": accuracies,
                "seconds": round(seconds, 2),
                "examples_per_second": round(images / seconds, 1) if seconds else None,
                "device": outcome.get("device"),
                "commit": outcome.get("commit"),
            }
        )
    return rows


def _own_epochs(oracle: DurableOracle, trial, history: list[dict]) -> list[dict]:
    """Return the rows of the epochs that a trial trained, not those it went on from."""
    earlier = oracle.plan(trial).get("earlier")
    before = trial_files.read_history(oracle.folder, earlier) if earlier else []
    return history[len(before) :] if history[: len(before)] == before else history


def best_row(rows: list[dict], settings: Settings) -> dict | None:
    """Return the finished trial of the best objective, the first of equals."""
    finished = [row for row in rows if row["state"] == trial_files.FINISHED]
    sign = -1 if settings.objective == "val_loss" else 1
    return max(finished, key=lambda r: sign * r[settings.objective], default=None)


def write_summary(oracle: DurableOracle, settings: Settings, facts: dict) -> list[dict]:
    """Write trials.csv, trials.json and best.json; prune; return the rows.

    `facts` goes into trials.json: how this file came about, as `provenance` has it.
    With what a trial was trained is in its row.
    """
    rows = trial_rows(oracle)
    best = best_row(rows, settings)
    record = {
        **settings.to_dict(),
        "planned": oracle.planned(),
        "best": best["trial"] if best else None,
        "trials": rows,
        **facts,
    }
    write_json(oracle.folder / "trials.json", record)
    _write_csv(oracle.folder / "trials.csv", rows, settings)
    if best:
        write_json(oracle.folder / "best.json", _best(oracle, settings, best))
    _prune(oracle, rows, best)
    return rows


def _best_epoch(accuracies: list[float]) -> int | None:
    if not accuracies:
        return None
    return accuracies.index(max(accuracies)) + 1


def _write_csv(path: Path, rows: list[dict], settings: Settings) -> None:
    names = [h.name for h in settings.space.hyperparameters]
    with (
        replacing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors=ESCAPED) as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        plain = [key for key in rows[0] if key not in ("values", "val_accuracies")]
        writer.writerow([*plain, *names, "val_accuracies"] if rows else [])
        for row in rows:
            values = [row["values"].get(name, "") for name in names]
            accuracies = " ".join(str(value) for value in row["val_accuracies"])
            writer.writerow([*(row[key] for key in plain), *values, accuracies])


def _best(oracle: DurableOracle, settings: Settings, row: dict) -> dict:
    folder, plan = oracle.folder, oracle.plan(oracle.trials[row["trial"]])
    recipe, options = trial_recipe(settings, plan)
    words = [f"MODEL={settings.model}", f"RECIPE={shlex.quote(str(folder))}/best.json"]
    words += [f"BACKEND={settings.backend}", f"SEED={settings.seed}"]
    if settings.data["data"] != "fashion-mnist":
        words.append(f"DATA={shlex.quote(settings.data['data'])}")
    sizes = ("data_seed", "train_size", "test_size")
    flags = [
        f"--{name.replace('_', '-')} {settings.data[name]}"
        for name in sizes
        if settings.data[name]
    ]
    if settings.data.get("resize") == "predict":
        flags.append("--resize predict")
    if settings.data.get("skip_bad"):
        flags.append("--skip-bad")
    if flags:
        words.append(f"ARGS={shlex.quote(' '.join(flags))}")
    return {
        "model": settings.model,
        "options": options,
        "recipe": recipe.to_dict(),
        "seed": settings.seed,
        "trial": row["trial"],
        "validation": {"loss": row["val_loss"], "accuracy": row["val_accuracy"]},
        "again": " ".join(["make train", *words]),
    }


def _prune(oracle: DurableOracle, rows: list[dict], best: dict | None) -> None:
    """Remove the checkpoints that no trial will go on from, but the best's."""
    running = [row["trial"] for row in rows if row["state"] == trial_files.RUNNING]
    plans = [oracle.plan(oracle.trials[trial_id]) for trial_id in running]
    kept = {
        *running,
        *(plan.get("earlier") for plan in plans),
        *oracle.protected_trials(),
    }
    kept |= {best["trial"]} if best else set()
    for row in rows:
        if row["trial"] not in kept:
            folder = trial_files.trial_folder(oracle.folder, row["trial"])
            for path in (folder / CHECKPOINT, previous_path(folder / CHECKPOINT)):
                path.unlink(missing_ok=True)
