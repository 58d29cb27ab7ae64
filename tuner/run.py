"""A whole search: in this process, or as the chief of workers."""

import os
import shlex
import time
from contextlib import ExitStack
from pathlib import Path

from fmkeras.cli.make_words import in_own_words
from fmkeras.datasets import Dataset
from fmkeras.provenance import provenance
from tuner.distributed.chief import Chief, join
from tuner.distributed.heartbeat import Heartbeat
from tuner.distributed.workers import Workers
from tuner.oracles import DurableOracle
from tuner.results.progress import Progress
from tuner.results.summary import write_summary
from tuner.search import Search, build_oracle
from tuner.settings import Settings


def search_here(settings: Settings, dataset: Dataset, folder: Path) -> list[dict]:
    """Search to the end, from where the folder is; return the rows of the trials."""
    oracle, facts = _open(settings, folder)
    search = Search(oracle, settings, dataset, folder)
    oracle.release({search.tuner_id})
    search.search()
    return _close(oracle, settings, facts)


def search_with_workers(
    settings: Settings, folder: Path, address: str, names: list[str], arguments=()
) -> list[dict]:
    """Search as the chief at `address`; return the rows of the trials.

    `names` are the workers to start on this machine, with further `arguments`; none
    of them where they are started elsewhere.
    """
    oracle, facts = _open(settings, folder)
    if names:
        oracle.release(names)
    with ExitStack() as stack:
        chief = stack.enter_context(Chief(oracle, address))
        if names:
            workers = Workers(folder, chief.address, names, list(arguments))
            stack.enter_context(workers)
        else:
            port = chief.address.rpartition(":")[2]
            words = [f"CHIEF=HOST:{port}", f"RESUME={folder}"]
            command = in_own_words(shlex.join(["make", "tune-worker", *words]))
            print(
                f"Chief at {chief.address}. On each machine that shares '{folder}': "
                f"{command}",
                flush=True,
            )
        while not chief.is_done():
            if names and not workers.supervise():
                break
            time.sleep(0.2)
    return _close(oracle, settings, facts)


def work(
    settings: Settings, dataset: Dataset, folder: Path, address: str, name: str
) -> None:
    """Train trials of the chief at `address` until there are no more."""
    host, _, port = address.rpartition(":")
    join(address)
    os.environ["KERASTUNER_ORACLE_IP"] = host
    os.environ["KERASTUNER_ORACLE_PORT"] = port
    os.environ["KERASTUNER_TUNER_ID"] = name
    heart = Heartbeat(folder, name)
    heart.beat()
    # The oracle only says what the objective is; the chief's is the one that counts.
    oracle = build_oracle(settings, folder)
    search = Search(oracle, settings, dataset, folder, heart=heart)
    with heart.running():
        search.search()


def _open(settings: Settings, folder: Path) -> tuple[DurableOracle, dict]:
    oracle = build_oracle(settings, folder)
    facts = provenance()
    progress = Progress(oracle, settings)

    def on_change(trial) -> None:
        write_summary(oracle, settings, facts)
        progress.report(trial)

    oracle.on_change = on_change
    print(progress.standing(), flush=True)
    return oracle, facts


def _close(oracle: DurableOracle, settings: Settings, facts: dict) -> list[dict]:
    rows = write_summary(oracle, settings, facts)
    if len(rows) < oracle.planned():
        print("There are no further trials: the space holds no others.", flush=True)
    return rows
