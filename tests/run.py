"""Run the tests: pytest once a backend, side by side, a process each.

The first backend named runs every test; the others run those that are marked
`every_backend`. Exits with 1 where any failed.
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backends", nargs="+")
    parser.add_argument("--slow", action="store_true", help="the slow tests too")
    options = parser.parse_args()
    # The tests in a browser, and of other formats, have targets of their own.
    speed = "not browser and not export"
    if not options.slow:
        speed += " and not slow"
    jobs = {}
    with ThreadPoolExecutor(min(CORES, len(options.backends))) as pool:
        for number, backend in enumerate(options.backends):
            own = "" if number == 0 else "every_backend"
            marks = " and ".join(filter(None, (own, speed)))
            print(f"{backend}: {marks or 'every test'}", flush=True)
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
