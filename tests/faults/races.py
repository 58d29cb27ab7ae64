"""Two commands at once in one place: each works, or says who holds the lock."""

import hashlib
import json
import random
import signal
import time
from pathlib import Path

from support.setups import Setup

from faults.commands import GARMENTS, HANGS, ROOT, Tally, fresh, run, start

STUDY = "faults-race"


def race(backend: str, folder: Path) -> Tally:
    """Run each race once; return what was found."""
    tally = Tally()
    folder = fresh(folder / "races")
    train = ["train", "--model", "linear", *GARMENTS, "--epochs", "3"]
    saved = ["--runs", str(folder / "runs"), "--out", str(folder / "saved")]
    both = [*train, *saved, "--save", "always"]
    _two("two trainings that save one model", both, both, backend, tally)
    model = next((folder / "saved").glob("*.keras"))
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    card = json.loads(model.with_suffix(".json").read_bytes())
    tally.check(card["sha256"] == digest, "race: model and card are of two runs")
    _two_resumes(train, folder, backend, tally)
    repeat = ["repeat", "--model", "linear", "--name", STUDY, "--backends", backend]
    repeat += ["--seeds", "0", "1", "--epochs", "1", "--", *GARMENTS]
    _two("two repeats of one study", repeat, repeat, backend, tally, folder)
    outcome = run(repeat, backend, cwd=folder)
    tally.check(outcome.code == 0, f"repeat after the race: {outcome.text[-300:]}")
    report = ["report", "--models", str(model), *GARMENTS]
    report += ["--out", str(folder / "report")]
    _two("two reports in one folder", report, report, backend, tally)
    _setups(folder / "setups", tally)
    audit = ["audit", "--model", "linear", *GARMENTS, "--epochs", "1"]
    audit += ["--out", str(folder / "audit")]
    _two("two audits in one folder", audit, audit, backend, tally)
    return tally


def _two(
    name: str,
    one: list[str],
    other: list[str],
    backend: str,
    tally: Tally,
    cwd: Path = ROOT,
) -> None:
    processes = [start(words, backend, cwd=cwd) for words in (one, other)]
    codes = []
    for process in processes:
        text, _ = process.communicate(timeout=HANGS)
        codes.append(process.returncode)
        tally.check("Traceback" not in text, f"{name}: {text[-600:]!r}")
        refused = process.returncode == 2 and "Another process is at work" in text
        tally.check(
            process.returncode == 0 or refused,
            f"{name}: exit code {process.returncode}: {text[-400:]!r}",
        )
    tally.check(0 in codes, f"{name}: none of the two came to its end")
    tally.count(f"race: {name}")


def _setups(folder: Path, tally: Tally) -> None:
    """Make an environment twice at once, and kill both now and then."""
    folder.mkdir()
    setup, generator = Setup(folder), random.Random(0)
    for _ in range(20):
        both = [setup.start(), setup.start(".ready-to-test")]
        time.sleep(generator.uniform(0, 0.3))
        for process in both:
            setup.kill(process)
            tally.kill(signal.SIGKILL, "of two set-ups")
        ready = (setup.venv / ".ready").exists()
        missing = set(setup.problems()) - {".building"}
        tally.check(not (ready and missing), f"set-up: ready without {missing}")
    both = [setup.start(), setup.start(".ready-to-test")]
    for process in both:
        text, _ = process.communicate(timeout=HANGS)
        tally.check(process.returncode == 0, f"set-up: {text[-300:]!r}")
    tally.check(not setup.problems(), f"set-up: {setup.problems()}")
    tally.count("race: two set-ups")


def _two_resumes(train: list[str], folder: Path, backend: str, tally: Tally) -> None:
    """Interrupt a run, then resume it twice at once; it has each epoch once."""
    words = [*train, "--epochs", "60", "--runs", str(folder / "resumed")]
    words += ["--out", str(folder / "resumed-models")]
    process = start(words, backend)
    while process.poll() is None and not list(folder.glob("resumed/*/history.csv")):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=HANGS)
    [run_dir] = [path.parent for path in folder.glob("resumed/*/config.json")]
    resume = [*words, "--resume", str(run_dir)]
    _two("two resumes of one run", resume, resume, backend, tally)
    lines = (run_dir / "history.csv").read_text().splitlines()
    tally.check(len(lines) == 61, f"two resumes: {len(lines) - 1} epochs, not 60")
