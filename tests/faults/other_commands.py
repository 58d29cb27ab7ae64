"""Kill every other kind of command, then run it again: it ends well."""

import random
import signal
from pathlib import Path

from faults.commands import (
    BACKENDS,
    GARMENTS,
    ROOT,
    Tally,
    after,
    check_ending,
    fresh,
    random_signal,
    run,
    run_and_signal,
)

SMALL = ("--epochs", "2", "--batch-size", "50", "--precision", "float32")
# Program and words of each; FOLDER is a folder of its own, MODEL a saved model.
COMMANDS = {
    "repeat": (
        "fmkeras",
        "repeat --model linear --name faults --backends BACKEND --seeds 0 1 "
        "--epochs 2 -- --data garments --train-size 1500 --test-size 200",
    ),
    "tune": (
        "tuner",
        "search --model linear --space wide --search random --trials 2 --epochs 1 "
        "--data garments --train-size 1500 --test-size 200 --runs FOLDER --name faults "
        "--backend BACKEND",
    ),
    "evaluate": ("fmkeras", "evaluate --model MODEL DATA --json FOLDER/figures.json"),
    "compare": ("fmkeras", "compare --models MODEL OTHER DATA"),
    "predict": ("fmkeras", "predict --model MODEL PICTURE --out FOLDER"),
    "report": ("fmkeras", "report --models MODEL DATA --out FOLDER/report"),
}
# Each on one backend, in turn, and killed once.
MORE_COMMANDS = {
    "audit": ("fmkeras", "audit --model linear DATA --epochs 1 --out FOLDER/audit"),
    "export": (
        "fmkeras",
        "export --model MODEL --format keras-int8 --no-timing DATA --out FOLDER/out",
    ),
    "publish": ("fmkeras", "publish --model MODEL --to FOLDER/publish"),
    "finetune": (
        "fmkeras",
        "finetune --model linear --images 100 --pretrain-epochs 1 --epochs 1 --seeds 0 "
        "DATA --out FOLDER/finetune.json",
    ),
    "zoo": (
        "fmkeras",
        "zoo --models linear --epochs 1 DATA --runs FOLDER/runs --out FOLDER/saved",
    ),
    "show": ("fmkeras", "show linear"),
    "reproduce": (
        "fmkeras",
        "reproduce --model linear --backend BACKEND --seeds 0 1 --epochs 1 -- DATA",
    ),
    "study": (
        "fmkeras",
        "study --name speedrun-parts --cases cosine --epochs 1 --backend BACKEND DATA",
    ),
    "speedrun": (
        "fmkeras",
        "speedrun --goal 93 --repeats 1 --beside 0 --backend BACKEND DATA "
        "--out FOLDER/speedrun",
    ),
    "benchmark": (
        "fmkeras",
        "benchmark --model linear --quick --backends BACKEND --json FOLDER/speed.json",
    ),
    "quickstart": ("fmkeras", "quickstart --backend BACKEND"),
}


def commands_of(backend: str) -> dict[str, tuple[str, str]]:
    """Return the commands to kill on a backend."""
    mine = BACKENDS.index(backend)
    more = list(MORE_COMMANDS)[mine :: len(BACKENDS)]
    return COMMANDS | {name: MORE_COMMANDS[name] for name in more}


def kill_other_commands(backend: str, count: int, folder: Path, seed: int) -> Tally:
    """Kill commands `count` times on one backend; return what was found."""
    tally, generator = Tally(), random.Random(f"others {backend} {seed}")
    folder = folder / f"commands-{backend}"
    model = _train_models(backend, folder, tally)
    for name, (program, text) in commands_of(backend).items():
        place = fresh(folder / name)
        other = model.parent.parent / "1" / model.name
        words = words_of(text, backend, place, model, other)
        seconds = 12.0
        for _ in range(count if name in COMMANDS else 1):
            number = random_signal(generator)
            moment = after(generator.uniform(0, seconds))
            outcome = run_and_signal(words, backend, number, moment, program, place)
            what = f"{backend}, {name}, {signal.Signals(number).name}"
            if outcome.signalled:
                tally.kill(number, f"of {name}")
                check_ending(outcome, number, what, tally)
            else:
                tally.check(outcome.code == 0, f"{what}: {outcome.text[-400:]}")
                seconds = outcome.seconds
        outcome = run(words, backend, program, place)
        tally.check(
            outcome.code == 0, f"{backend}, {name} again: {outcome.text[-400:]}"
        )
        left = [path.name for path in place.rglob(".*-partial*")]
        tally.check(not left, f"{backend}: {name} left {left}")
    return tally


def _train_models(backend: str, folder: Path, tally: Tally) -> Path:
    place = fresh(folder / "models")
    for seed in (0, 1):
        words = ["train", "--model", "linear", *GARMENTS, *SMALL, "--seed", str(seed)]
        words += ["--runs", str(place / "runs"), "--out", str(place / str(seed))]
        outcome = run(words, backend)
        tally.check(outcome.code == 0, f"{backend}: {outcome.text[-400:]}")
    return next((place / "0").glob("*.keras"))


def words_of(
    line: str, backend: str, place: Path, model: Path, other: Path
) -> list[str]:
    """Return the words of a command, with paths for its names in capitals."""
    picture = ROOT / "docs/images/samples.png"
    given = {
        "MODEL": [str(model)],
        "OTHER": [str(other)],
        "PICTURE": [str(picture)],
        "DATA": list(GARMENTS),
    }
    found: list[str] = []
    for word in line.split():
        text = word.replace("FOLDER", str(place)).replace("BACKEND", backend)
        found += given.get(word, [text])
    return found
