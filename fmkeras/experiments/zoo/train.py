"""Train every network by its default recipe; several processes divide the work."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm.auto import tqdm

from fmkeras.errors import UserError
from fmkeras.experiments.divide import divide
from fmkeras.experiments.zoo.plan import (
    OUTCOME,
    Net,
    Zoo,
    find_result,
    run_to_resume,
    write_down,
)
from fmkeras.files import make_folder, write_json
from fmkeras.files.locks import wait_until_free
from fmkeras.process.signals import SIGNALS, Interrupted, run_child
from fmkeras.text.durations import clock
from fmkeras.training.replace import CURRENT
from fmkeras.training.run_dir import RECORD

LOG = "log.txt"
SECONDS_BETWEEN_LOOKS = 1.0
_SIGNALLED = {128 + number for number in SIGNALS}


class _TimeUp(Exception):
    """The time given to the command is over."""


def train_zoo(
    nets: Sequence[Net],
    zoo: Zoo,
    minutes: float | None = None,
    log: Callable[[str], None] = print,
) -> list[str]:
    """Train the networks that are not done, each in a process of its own, in order.

    An interrupted training goes on. Processes that are given the same folders divide
    the networks among them. After `minutes` the training is told to stop. One that
    fails is passed over; `log` takes a line a network. Returns the names of those
    that failed. What a training prints is in `runs/NAME/log.txt`.
    """
    end = None if minutes is None else time.monotonic() + 60 * minutes
    failed: list[str] = []

    def work(net: Net) -> None:
        started = time.monotonic()
        code = _train(net, zoo, end, log)
        took = clock(time.monotonic() - started)
        if code in _SIGNALLED:
            if end is not None and time.monotonic() >= end:
                raise _TimeUp
            raise Interrupted(code - 128)
        if code:
            failed.append(net.name)
            path = zoo.runs / net.name / LOG
            log(f"{net.name:<20} failed after {took}: {last_line(path)} ({path})")
            return
        missing = f"not in '{zoo.out}': see '{zoo.runs / net.name / LOG}'"
        log(f"{net.name:<20} {find_result(net, zoo) or missing}, {took}")

    with contextlib.suppress(_TimeUp):
        left = divide(
            nets,
            is_done=lambda net: find_result(net, zoo) is not None,
            folder_of=lambda net: zoo.runs / net.name,
            work=work,
            what="the zoo",
            log=log,
            is_over=lambda: end is not None and time.monotonic() >= end,
        )
        if not left:
            return failed
    log("The time is up; the same command goes on from here.")
    return failed


def zoo_text(nets: Sequence[Net], zoo: Zoo) -> str:
    """Return the list of networks, what is done and how long the others will take."""
    lines, total = [], 0.0
    for net in nets:
        if result := find_result(net, zoo):
            lines.append(f"  {net.name:<20} done, {result}")
            continue
        run = run_to_resume(net, zoo)
        if run and (run / RECORD).exists():
            lines.append(f"  {net.name:<20} trained, to be put into '{zoo.out}'")
            continue
        total += net.seconds
        begun = ", goes on" if run else ""
        by_size = " by its size" if net.source == "size" else ""
        about = f"about {clock(net.seconds)}{by_size}"
        lines.append(f"  {net.name:<20} {net.recipe.epochs} epochs, {about}{begun}")
    head = f"{len(nets)} networks, about {clock(total)} to train on a quiet machine:"
    return "\n".join([head, *lines])


def last_line(path: Path) -> str:
    """Return the last line of a log, which says why a training failed."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return next((s for s in reversed(text.splitlines()) if s.strip()), "no message")


def _train(net: Net, zoo: Zoo, end: float | None, log: Callable[[str], None]) -> int:
    """Run the training of a network to its end; return its exit code.

    Raises `_TimeUp` where another process is at its run until `end`.
    """
    folder = make_folder(zoo.runs / net.name)
    command = [sys.executable, "-m", "fmkeras", "train", "--model", net.name]
    command += ["--backend", zoo.backend, "--seed", str(zoo.seed), "--compact"]
    command += ["--runs", str(folder), "--out", str(zoo.out)]
    if zoo.rule == CURRENT:
        command += ["--replace-other-recipes"]
    else:
        command += ["--save", zoo.rule]
    command += zoo.arguments
    if zoo.epochs is not None:
        command += ["--epochs", str(zoo.epochs)]
    if begun := run_to_resume(net, zoo):
        if not wait_until_free(begun, log, end):
            raise _TimeUp
        command += ["--resume", str(begun)]
    seconds = None if end is None else max(end - time.monotonic(), 0.0)
    with open(folder / LOG, "ab") as out, _bar(net, folder):
        code = run_child(command, seconds, stdout=out, stderr=out)
    if not code:
        done = run_to_resume(net, zoo)
        if done is None:
            raise UserError(
                f"The training of {net.name} ended without a run; expected one in "
                f"'{folder}': see {LOG} there."
            )
        write_json(folder / OUTCOME, write_down(net, zoo, done))
    return code


@contextlib.contextmanager
def _bar(net: Net, folder: Path) -> Iterator[None]:
    """Show the epochs that are done, from the training's own file, in a terminal."""
    ended = threading.Event()
    bar = tqdm(
        desc=net.name,
        total=net.recipe.epochs,
        unit=" epochs",
        leave=False,
        dynamic_ncols=True,
        disable=not sys.stderr.isatty(),
    )

    def look() -> None:
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            rows = _epochs(folder)
            if rows and len(rows) != bar.n:
                bar.set_postfix_str(_figures(rows), refresh=False)
                bar.update(len(rows) - bar.n)
            else:
                bar.refresh()

    thread = threading.Thread(target=look, daemon=True)
    if not bar.disable:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if thread.ident:
            thread.join()
        bar.close()


def _epochs(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the newest run's history.csv."""
    for path in sorted(folder.glob("*/history.csv"), reverse=True)[:1]:
        with contextlib.suppress(OSError, ValueError):
            head, *lines = path.read_text(encoding="utf-8").splitlines()
            return [
                dict(zip(head.split(","), line.split(","), strict=True))
                for line in lines
            ]
    return []


def _figures(rows: list[dict[str, str]]) -> str:
    names = ("val_accuracy", "accuracy")
    return ", ".join(f"{n} {float(rows[-1][n]):.4f}" for n in names if n in rows[-1])
