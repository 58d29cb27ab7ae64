"""Kill, fill, remove and race: `make test-faults`, counted and recorded.

The parts run one after the other, the backends side by side. `--record` keeps the
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
    parser.add_argument("--kills", type=int, default=50, help="of training, a backend")
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
    tallies: dict[str, Tally] = {}
    first = args.backends[0]
    if "training" in args.parts:
        tallies |= _on_each(
            "training",
            args.backends,
            lambda b: kill_trainings(b, times * args.kills, folder / b, args.seed),
        )
    if "commands" in args.parts:
        count = times * max(1, args.kills // 25)
        tallies |= _on_each(
            "commands",
            args.backends,
            lambda b: kill_other_commands(b, count, folder / f"{b}-others", args.seed),
        )
    if "saving" in args.parts:
        for kind in (PAIR, CHECKPOINT):
            count = times * 2 * args.kills
            print(f"saving: {kind}", flush=True)
            tallies[f"saving {kind}"] = kill_saving(kind, count, folder, args.seed)
    if "places" in args.parts:
        print("places", flush=True)
        tallies["places"] = fail_places(first, folder / "places")
    if "races" in args.parts:
        print("races", flush=True)
        tallies["races"] = race(first, folder / "races")
    return tallies


def _on_each(part: str, backends, work) -> dict[str, Tally]:
    """Do the work of each backend, as many at once as there are cores."""
    print(f"{part}: {', '.join(backends)}", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(work, backends))
    return {f"{part} {b}": tally for b, tally in zip(backends, found, strict=True)}


if __name__ == "__main__":
    sys.exit(main())
