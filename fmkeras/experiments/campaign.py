"""Run the commands whose records the tables lack on a device, in a given time.

For a machine that is available for minutes only. The next campaign continues what
was cut short: a benchmark after its last network, a training after its last epoch,
if the folder `runs` is still there.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fmkeras.backends import BACKENDS
from fmkeras.experiments.reproduce import STUDY
from fmkeras.files import replacing
from fmkeras.process.signals import PARENT
from fmkeras.records import RECORDS, speed_record

# The networks that take days on a few processor cores, the cheapest first.
LARGE = ("alexnet_tiny", "densenet", "resnet18", "googlenet", "nin", "alexnet", "vgg11")
# The best known network of each size of which an accuracy is aimed at.
AIMED_AT = ("tinyvgg_bn", "mynet", "densenet", "googlenet")
AIM_SEEDS = ("0", "1", "2", "3", "4")
PARTS = ("speed", "large", "aims")
# Least time to start a command with, and time to stop one, in seconds.
LEAST_SECONDS = 20.0
GRACE_SECONDS = 15.0
ARCHIVE = "records.tar.gz"


def commands_of(part: str, device: str, records: Path = RECORDS) -> list[list[str]]:
    """Return the commands of a part of `PARTS`, as the command line takes them.

    A published protocol that has a record, in whatever precision, is none of them.
    """
    if part == "speed":
        found = [name for name in BACKENDS if importlib.util.find_spec(name)]
        rates = ["benchmark", "--device", device, "--backends", *found, "--json"]
        rates += [str(speed_record(device, records=records))]
        # One quick network first shows whether everything works.
        first = [*rates, "--model", "lenet"]
        growth = ["benchmark", "--growth", "--device", device, "--backends", *found]
        growth += ["--json", str(speed_record(device, scaling=True, records=records))]
        return [first, rates, growth]
    quick = ["--", "--precision", "bfloat16", "--compile", "yes"]
    if part == "large":
        protocol = ["reproduce", "--backend", "torch", "--seeds", "0"]
        return [
            [*protocol, "--model", name, *quick]
            for name in LARGE
            if not (records / STUDY / f"{name}-torch-seed0.json").exists()
        ]
    study = ["repeat", "--name", "default-bfloat16", "--backends", "torch"]
    return [
        [*study, "--model", name, "--seeds", *AIM_SEEDS, *quick] for name in AIMED_AT
    ]


def run_campaign(
    commands: Sequence[Sequence[str]],
    out: str | os.PathLike,
    minutes: float,
    records: Path = RECORDS,
    log: Callable[[str], None] = print,
) -> int:
    """Run commands of fmkeras until all are done or the time is up.

    Args:
        commands: as `commands_of` returns them; one that fails is passed over.
        out: the folder that gets `records.tar.gz`, packed anew after each command: all
            records written meanwhile, and those of earlier campaigns that it had.
        minutes: after which whatever still runs is told to stop, as by Ctrl-C.
        records: the folder in which commands write their records.
        log: takes lines of progress.

    Returns how many commands did not finish successfully. Raises `UserError` for a
    folder that cannot be written.
    """
    start, began = time.monotonic(), time.time()
    _pack(records, began, Path(out))
    left = list(commands)
    failed = 0
    while left:
        seconds = 60 * minutes - (time.monotonic() - start)
        if seconds < LEAST_SECONDS:
            break
        command = left.pop(0)
        text = " ".join(["fmkeras", *command])
        log(f"{text} (at most {seconds:.0f} s)")
        try:
            code = _run([sys.executable, "-m", "fmkeras", *command], seconds)
        finally:
            # What an interrupted command has kept until then, too.
            _pack(records, began, Path(out))
        if code is None:
            log("The time is up; the same command continues from here.")
            return failed + 1 + len(left)
        if code:
            log(f"Exit code {code}: {text}")
            failed += 1
    return failed + len(left)


def _run(command: Sequence[str], seconds: float) -> int | None:
    """Return the exit code of a command; None where it was stopped."""
    # A process group of its own: its children are stopped too, as in a terminal.
    environment = os.environ | {PARENT: str(os.getpid())}
    process = subprocess.Popen(command, start_new_session=True, env=environment)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            _stop(process)


def _stop(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _pack(records: Path, since: float, out: Path) -> None:
    """Pack what was written under `records` since a time, under the names it has.

    What an earlier campaign packed there stays in.
    """
    kept = _packed(out / ARCHIVE)
    with (
        replacing(out / ARCHIVE) as temporary,
        tarfile.open(temporary, "w:gz") as archive,
    ):
        for path in sorted(records.rglob("*")):
            if not path.is_file():
                continue
            if path.stat().st_mtime >= since or str(path).lstrip("/") in kept:
                archive.add(path)


def _packed(archive: Path) -> set[str]:
    """Return the names in an archive; none where there is none, or a damaged one."""
    try:
        with tarfile.open(archive) as found:
            return set(found.getnames())
    except (OSError, tarfile.TarError, EOFError):
        return set()
