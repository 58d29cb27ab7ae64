"""Kill, fill, remove and race: `make test-faults`, counted and recorded.

As many parts run at once as there are cores. `--record` keeps the
counts in saved_models/records/faults.json, `--length long` kills five times as often.
Exits with 1 where anything failed.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from faults.commands import BACKENDS, Tally, heed_signals  # noqa: E402
from faults.other_commands import kill_other_commands  # noqa: E402
from faults.places import fail_places  # noqa: E402
from faults.races import race  # noqa: E402
from faults.saving import CHECKPOINT, PAIR, kill_saving  # noqa: E402
from faults.training import kill_trainings  # noqa: E402
from fmkeras.files import write_json  # noqa: E402
from fmkeras.provenance import provenance  # noqa: E402
from fmkeras.records import FAULTS  # noqa: E402

PARTS = ("training", "commands", "saving", "places", "races")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", nargs="+", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--kills", type=int, default=48, help="of training, a backend")
    parser.add_argument(
        "--length", choices=("short", "long"), default="short", help="long: five times"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="keep the record")
    args = parser.parse_args()
    heed_signals()
    times = 5 if args.length == "long" else 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fmkeras-faults-") as name:
        tallies = _run_parts(args, times, Path(name))
    record = provenance() | {
        "command": "make test-faults ARGS=--record",
        "cores": os.cpu_count(),
        "seed": args.seed,
        "backends": list(args.backends),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "parts": {part: dataclasses.asdict(t) for part, t in tallies.items()},
    }
    failed = sum(len(tally.failures) for tally in tallies.values())
    print(json.dumps(record["parts"], indent=1))
    kills = sum(sum(tally.kills.values()) for tally in tallies.values())
    print(f"{kills} kills in {record['minutes']} minutes, {failed} failures.")
    if args.record:
        write_json(ROOT / FAULTS, record)
        print(f"Recorded: {FAULTS}")
    return 1 if failed else 0


def _run_parts(args, times: int, folder: Path) -> dict[str, Tally]:
    """Do all the work, as much of it at once as there are cores."""
    count, seed, first = times * args.kills, args.seed, args.backends[0]
    jobs: dict[str, tuple] = {}
    for backend in args.backends:
        jobs[f"training {backend}"] = (kill_trainings, backend, count, folder, seed)
    for backend in args.backends:
        each = max(1, count // 25)
        jobs[f"commands {backend}"] = (kill_other_commands, backend, each, folder, seed)
    jobs["races"] = (race, first, folder)
    for kind in (PAIR, CHECKPOINT):
        jobs[f"saving {kind}"] = (kill_saving, kind, 2 * count, folder, seed)
    jobs["places"] = (fail_places, first, folder)
    asked = {name: job for name, job in jobs.items() if name.split()[0] in args.parts}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(asked, pool.map(_do, asked, asked.values()), strict=True))


def _do(name: str, job: tuple) -> Tally:
    """Do one part; where it breaks off, that is its failure."""
    print(f"{name}: begins", flush=True)
    work, *arguments = job
    try:
        tally = work(*arguments)
    except Exception as error:
        traceback.print_exc()
        tally = Tally(failures=[f"broke off: {type(error).__name__}: {error}"])
    print(f"{name}: {sum(tally.kills.values())} kills", flush=True)
    return tally


if __name__ == "__main__":
    sys.exit(main())
