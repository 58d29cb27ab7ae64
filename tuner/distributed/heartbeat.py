"""A worker's sign of life: a small file in the folder of the search."""

import contextlib
import itertools
import json
import platform
import threading
from collections.abc import Iterator
from os import getpid
from pathlib import Path

from fmkeras.files import write_json

WORKERS = "workers"
SECONDS = 2.0


class Heartbeat:
    """Beats in a thread; `trial` is what the worker trains."""

    def __init__(self, search: Path, name: str) -> None:
        self.path = search / WORKERS / f"{name}.json"
        self.trial: str | None = None
        self._numbers = itertools.count()
        self._ended = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Beat until the block ends."""
        thread = threading.Thread(target=self._beat_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def beat(self) -> None:
        """Write a new number: a chief compares them, as clocks may differ."""
        content = {
            "beat": next(self._numbers),
            "trial": self.trial,
            "process": getpid(),
            "machine": platform.node(),
        }
        write_json(self.path, content)

    def _beat_on(self) -> None:
        while not self._ended.wait(SECONDS):
            # A full disk or a lost folder ends the training itself, with its reason.
            with contextlib.suppress(OSError, ValueError):
                self.beat()


def beat_of(search: Path, name: str) -> str | None:
    """Return a worker's last sign of life, None where there is none."""
    try:
        return (search / WORKERS / f"{name}.json").read_text(encoding="utf-8")
    except OSError:
        return None


def trial_of(search: Path, name: str) -> str | None:
    """Return the trial that a worker was at when it last beat."""
    beat = beat_of(search, name)
    return None if beat is None else json.loads(beat)["trial"]
