"""Where runs, saved models and records lie; the records of runs."""

import os
from collections.abc import Iterable
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.files.reading import read_json, reason_of
from fmkeras.files.schema import NUMBER

RUNS = "runs"
SAVED_MODELS = Path("saved_models")
# Inside an installed package the small files lie beside this one, in a checkout all of
# them above it.
_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = (_PACKAGE / SAVED_MODELS, _PACKAGE.parent / SAVED_MODELS)
PICTURES = Path("docs/images")
RECORDS = SAVED_MODELS / "records"
PARITY = RECORDS / "parity.json"
FINETUNE = RECORDS / "finetune.json"
EXPORTS = RECORDS / "exports.json"
AUDIT = RECORDS / "audit.json"
FAULTS = RECORDS / "faults.json"
FUZZ = RECORDS / "fuzz.json"
# The records of speed runs, which are no runs of a study.
SPEEDRUNS = RECORDS / "speedrun"

# Of a run or a study, as far as tables and pages read it.
RECORD = {
    "model": str,
    "recipe": {"name": str, "epochs": int},
    "backend": str,
    "precision": str,
    "seed": int,
    "dataset": {"name": str},
    "device": (str, type(None)),
    "commit": (str, type(None)),
    # Of a run that went on with other code than it began with.
    "began_at_commit?": str,
    "start?": dict,
    "test?": {"accuracy": NUMBER},
}


def model_folders(folder: str | os.PathLike = SAVED_MODELS) -> list[Path]:
    """Return the folders in which a model is looked for by its name, the first first.

    Beside the usual one, `saved_models` of the working folder, that is where the
    models lie that the project ships; beside any other none.
    """
    folders = [Path(folder)]
    if folders[0] == SAVED_MODELS:
        checkout = (_PACKAGE.parent / "pyproject.toml").exists()
        shipped = _SHIPPED if checkout else _SHIPPED[:1]
        folders += [path for path in shipped if path.is_dir()]
    return folders


def commits_of(records: Iterable[dict]) -> list[str]:
    """Return the commits of the code that made records, seven digits each, sorted."""
    keys = ("began_at_commit", "commit")
    return sorted({str(r[key])[:7] for r in records for key in keys if r.get(key)})


def speed_record(
    device: str, scaling: bool = False, suffix: str = "", records: Path = RECORDS
) -> Path:
    """Return the record of `fmkeras benchmark` on a device, cpu or gpu.

    `scaling` is over batch and image sizes; `suffix`, such as '-quick', tells other
    settings apart.
    """
    name = "benchmark-growth" if scaling else "benchmark"
    return records / f"{name}-{device}{suffix}.json"


def devices_record(device: str, records: Path = RECORDS) -> Path:
    """Return the record of `fmkeras benchmark --scaling`, of one device and two."""
    return records / f"benchmark-devices-{device}.json"


def fit_record(device: str, backend: str = "torch", records: Path = RECORDS) -> Path:
    """Return the record of `fmkeras benchmark-fit` on a device, cpu or gpu."""
    return records / f"benchmark-fit-{backend}-{device}.json"


def search_record(name: str, records: Path = RECORDS) -> Path:
    """Return the record of a finished search of the tuner."""
    return records / f"tune-{name}.json"


def read_record(path: Path, form: dict = RECORD, writer: str = "a run") -> dict:
    """Return a record of a form; raise `UserError` where it is damaged.

    `writer` says in the error what wrote it.
    """
    try:
        return read_json(path, form)
    except (OSError, ValueError) as error:
        raise UserError(
            f"The record '{path}' is damaged ({reason_of(error)}); expected what "
            f"{writer} wrote: restore it, or move it away."
        ) from error


def saved_card(root: Path, name: str) -> dict | None:
    """Return the card of a network in saved_models; None where there is none."""
    path = root / SAVED_MODELS / f"{name}.json"
    return read_record(path) if path.exists() else None


def study_names(records: Path = RECORDS) -> list[str]:
    """Return the names of the folders that hold the records of runs."""
    folders = sorted(path for path in records.glob("*") if path.is_dir())
    return [path.name for path in folders if path.name != SPEEDRUNS.name]


def read_records(name: str, records: Path = RECORDS) -> list[dict]:
    """Return the records of a study, in the order of their names."""
    return [read_record(path) for path in sorted((records / name).glob("*.json"))]
