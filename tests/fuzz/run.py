"""make fuzz: every parser of files from elsewhere is fed with changed valid files.

Each runs in a process of its own. Exits with 1 where an input ended in a traceback, a
crash or a hang, or took too much memory; the inputs are kept. With `--json` the record
is written after each parser, and one that it has at the same commit, with as many
inputs of the same seed, is not fed again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fmkeras.files import write_json
from fmkeras.provenance import commit, provenance
from fmkeras.records import FUZZ
from fuzz.parsers import PARSERS
from fuzz.worker import HANG_SECONDS, MEMORY

ROOT = Path(__file__).parents[2]
INPUTS = 20_000
COMMAND = f"make fuzz ARGS='--json {FUZZ}'"
# A worker is begun anew after so many: what it was fed before is forgotten.
A_WORKER = 5_000


def fuzz(name: str, inputs: int, seed: int, kept: Path) -> dict:
    """Feed one parser with `inputs`; return counts and findings, kinds of them once."""
    totals = {"inputs": 0, "accepted": 0, "refused": 0}
    findings: dict[tuple, dict] = {}
    slowest = peak = 0.0
    began = time.perf_counter()
    number, fed = seed, commit()
    while totals["inputs"] < inputs:
        left = min(inputs - totals["inputs"], A_WORKER)
        ended = False
        for line in _lines(name, left, number, kept):
            kind = line.pop("kind")
            if kind == "end":
                ended = True
                slowest = max(slowest, line["slowest"])
                peak = max(peak, line["peak_megabytes"])
                for key in totals:
                    totals[key] += line[key]
            else:
                findings.setdefault((kind, line["where"]), line | {"kind": kind})
        number += 1
        if not ended:
            # It took the counts with it.
            totals["inputs"] += left
    return {
        "what": PARSERS[name].what,
        **totals,
        "seed": seed,
        "commit": fed,
        "defects": list(findings.values()),
        "slowest_seconds": round(slowest, 2),
        "peak_megabytes": round(peak),
        "seconds": round(time.perf_counter() - began, 1),
    }


def _lines(name: str, count: int, seed: int, kept: Path) -> Iterator[dict]:
    """Yield what a worker says; one more where it ended badly."""
    with tempfile.TemporaryDirectory(dir=kept) as folder:
        words = [name, str(count), str(seed), folder]
        command = [sys.executable, "-m", "fuzz.worker", *words]
        path = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
        environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        with (
            tempfile.TemporaryFile("w+") as told,
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=told,
                text=True,
            ) as worker,
        ):
            last = ""
            for line in worker.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
                else:
                    last += line
            worker.wait()
            told.seek(0)
            errors = told.read()
        if worker.returncode:
            copy = kept / f"{name}-crash-{seed}-{PARSERS[name].file}"
            left = Path(folder) / PARSERS[name].file
            if left.exists():
                copy.write_bytes(left.read_bytes())
            yield {
                "kind": "crash",
                "where": f"exit code {worker.returncode}",
                "error": (last or errors)[-1_500:],
                "input": str(copy),
            }


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=INPUTS, help="of each parser")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parsers", nargs="+", choices=PARSERS, default=list(PARSERS))
    parser.add_argument("--kept", type=Path, default=ROOT / "runs/fuzz")
    parser.add_argument("--json", type=Path, help="where the record is kept")
    args = parser.parse_args(words)
    args.kept.mkdir(parents=True, exist_ok=True)
    found = {}
    if args.json and args.json.exists():
        found = json.loads(args.json.read_text(encoding="utf-8"))["parsers"]
    for name in args.parsers:
        if is_done(found.get(name), args.inputs, args.seed):
            print(f"{name}: done before, at this commit")
            continue
        found[name] = fuzz(name, args.inputs, args.seed, args.kept)
        told = {key: v for key, v in found[name].items() if key != "defects"}
        print(f"{name}: {told}", flush=True)
        for defect in found[name]["defects"]:
            print(f"  {defect}", flush=True)
        if args.json:
            keep(args.json, found)
    return 1 if any(found[name]["defects"] for name in args.parsers) else 0


def is_done(entry: dict | None, inputs: int, seed: int) -> bool:
    """Whether a record's entry is what this call would find."""
    if entry is None or entry["defects"] or str(commit()).endswith("-dirty"):
        return False
    asked = {"inputs": inputs, "seed": seed, "commit": commit()}
    return asked == {key: entry[key] for key in asked}


def keep(path: Path, found: dict[str, dict]) -> None:
    """Write the record, in the order of the parsers."""
    limits = {"seconds": HANG_SECONDS, "megabytes": MEMORY // 10**6}
    parsers = {name: found[name] for name in PARSERS if name in found}
    record = {"limits": limits, "parsers": parsers, **provenance(), "command": COMMAND}
    write_json(path, record)
    print(f"Kept: {path}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
