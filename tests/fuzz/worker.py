"""One parser fed with many inputs, in a process of its own; prints a line of JSON each.

`worker.py PARSER COUNT SEED FOLDER` ends by itself; a crash or a hang in C code ends
it too, and the input is the file that is left in FOLDER.
"""

import faulthandler
import json
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fmkeras.errors import UserError
from fuzz.parsers import PARSERS

HANG_SECONDS = 10
# Inputs of each number that hypothesis draws, which seeds their changes.
AT_ONCE = 20
# Beyond what the libraries take before the first input.
MEMORY = 2 << 30
ROOT = Path(__file__).parents[2]
OWN = (str(ROOT / "fmkeras"), str(ROOT / "tuner"))


class Hang(BaseException):
    """An input that takes longer than it may."""


def main(name: str, count: int, number: int, folder: Path) -> None:
    """Feed a parser; print findings as they come, and at the end the totals."""
    parser = PARSERS[name]
    whole, make = parser.inputs()
    path = folder / parser.file
    counts = {"inputs": 0, "accepted": 0, "refused": 0}
    slowest = 0.0
    report = os.fdopen(os.dup(1), "w")
    # What parsers tell the user is not of interest here.
    sys.stdout = open(os.devnull, "w")
    signal.signal(signal.SIGPROF, _stop)
    warnings.simplefilter("ignore")
    for content in whole:
        # Also imports what is imported at first use, which takes seconds.
        path.write_bytes(content)
        _read_whole(parser, path)
    base = _peak()
    _limit_memory()

    def found(kind: str, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if f.filename.startswith(OWN)] or frames
        where = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
        text = f"{type(error).__name__}: {error}"[:300]
        kept = folder.parent / f"{name}-{counts['inputs']}-{parser.file}"
        kept.write_bytes(path.read_bytes())
        _say(report, kind=kind, where=where, error=text, input=str(kept))

    def read_one(content: bytes) -> None:
        nonlocal slowest
        path.write_bytes(content)
        counts["inputs"] += 1
        # Of the processor, whatever else the machine is at.
        began = time.process_time()
        # For C code that no signal interrupts; the machine may be stopped for a while.
        faulthandler.dump_traceback_later(360 * HANG_SECONDS, exit=True, file=report)
        signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
        try:
            parser.read(path)
            counts["accepted"] += 1
        except UserError as error:
            counts["refused"] += 1
            if "\n" in str(error) or len(str(error)) > 2_000:
                found("no line", error)
        except Hang as error:
            found("hang", error)
        except MemoryError as error:
            found("memory", error)
        except Exception as error:
            found("traceback", error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.cancel_dump_traceback_later()
            slowest = max(slowest, time.process_time() - began)

    @seed(number)
    @settings(
        max_examples=-(-count // AT_ONCE),
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**64 - 1))
    def feed(drawn: int) -> None:
        random = Random(drawn)
        for _ in range(min(AT_ONCE, count - counts["inputs"])):
            read_one(make(random))

    while counts["inputs"] < count:
        # Hypothesis stops early where it has drawn a number before.
        feed()
    peak = (_peak() - base) / 1e6
    _say(report, kind="end", slowest=slowest, peak_megabytes=peak, **counts)


def _read_whole(parser, path: Path) -> None:
    try:
        parser.read(path)
    except UserError as error:
        raise RuntimeError(f"a whole file was refused: {error}") from error


def _stop(number, frame) -> None:
    raise Hang(f"more than {HANG_SECONDS} s")


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _limit_memory() -> None:
    """Let an input that takes more than it may fail, rather than the machine."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))


def _say(report, **what) -> None:
    report.write(json.dumps(what) + "\n")
    report.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
