"""Run the tests: pytest once a backend, side by side, a process each.

The first backend named runs every test; the others run those that are marked
`every_backend`. What is marked `torch_engine` is for torch, first or not. Exits with 1
where any failed.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed

CORES = os.cpu_count() or 1


def run_backend(backend: str, marks: str) -> tuple[str, subprocess.CompletedProcess]:
    """Run pytest under one backend, on one core; return its output."""
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-m", marks]
    command += ["--durations=8", "--timeout=900"]
    answer = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return backend, answer


def marks_of(backend: str, first: bool, slow: bool) -> str:
    """Return pytest's expression for the tests that a backend runs."""
    # The tests in a browser, and of other formats, have targets of their own.
    marks = ["not browser", "not export"]
    if not slow:
        marks.append("not slow")
    if first and backend != "torch":
        marks.append("not torch_engine")
    elif not first:
        torch_too = "(every_backend or torch_engine)"
        marks.append(torch_too if backend == "torch" else "every_backend")
    return " and ".join(marks)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backends", nargs="+")
    parser.add_argument("--slow", action="store_true", help="the slow tests too")
    options = parser.parse_args()
    jobs = {}
    with ThreadPoolExecutor(min(CORES, len(options.backends))) as pool:
        for number, backend in enumerate(options.backends):
            marks = marks_of(backend, number == 0, options.slow)
            print(f"{backend}: {marks}", flush=True)
            jobs[pool.submit(run_backend, backend, marks)] = backend
        failed = []
        for job in as_completed(jobs):
            backend, answer = job.result()
            print(f"\n===== {backend} =====\n{answer.stdout}", flush=True)
            if answer.returncode:
                failed.append(backend)
    if failed:
        print(f"Failed on: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
