"""A whole search in this process: oracle, trials, progress, summary."""

from pathlib import Path

from fmkeras.datasets import Dataset
from fmkeras.engines.device import describe_device
from fmkeras.provenance import provenance
from tuner.progress import Progress
from tuner.search import Search, build_oracle
from tuner.settings import Settings
from tuner.summary import write_summary


def search_here(settings: Settings, dataset: Dataset, folder: Path) -> list[dict]:
    """Search to the end, from where the folder is; return the rows of the trials."""
    oracle = build_oracle(settings, folder)
    search = Search(oracle, settings, dataset, folder)
    oracle.release({search.tuner_id})
    progress = Progress(oracle, settings)
    facts = {"device": describe_device(), **provenance()}

    def on_change(trial) -> None:
        write_summary(oracle, settings, facts)
        progress.report(trial)

    oracle.on_change = on_change
    print(progress.standing(), flush=True)
    search.search()
    rows = write_summary(oracle, settings, facts)
    if len(rows) < oracle.planned():
        print("There are no further trials: the space holds no others.", flush=True)
    return rows
