"""Every command of the README and docs is run here, or named as too long to run.

Each is parsed as it stands. Those of `SMALL` are then run, on 40 images, for an epoch
or two, with a small network in the place of the one named; `NOT_HERE` says of the
others why not, or which test runs them. A block of Python is run after those before it
on its page. A block under `<!-- not run: REASON -->` is left out.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from support.data_files import small_files, write_files
from support.doc_pages import ROOT, anchors, blocks, links, pages, shell_commands

from fmkeras.__main__ import main
from fmkeras.artifacts.keras_file import save_artifact
from fmkeras.cli.parser import build_parser
from fmkeras.datasets import checksums, load_dataset
from fmkeras.models import build_model
from tuner.__main__ import main as tuner_main
from tuner.cli import build_parser as build_tuner_parser

# What each command is given to be done soon; argparse takes the last of a flag.
SMALL = {
    "fmkeras models": [],
    "fmkeras show": [],
    "fmkeras data": [],
    "fmkeras train": ["--epochs", "1", "--batch-size", "8"],
    "fmkeras evaluate": [],
    "fmkeras compare": [],
    "fmkeras predict": [],
    "fmkeras report": [],
    "tuner search": ["--epochs", "2", "--workers", "1"],
}
NOT_HERE = {
    "make bom": "reads every installed package",
    "make clean": "removes the environments",
    "make format": "writes every file of code",
    "make lint": "a target of its own in .ci/run",
    "make lock": "asks the package index",
    "make tensorboard": "serves until it is stopped",
    "make notebooks": "minutes; test_notebooks.py runs them on garments",
    "make test": "runs these tests",
    "make test-browser": "a target of its own in .ci/run",
    "make test-slow": "runs these tests",
    "make fuzz": "hours; tests/fuzz/test_fuzz.py feeds each parser a little",
    "make test-faults": "kills commands for 20 minutes",
    "make test-export": "installs the runtimes of other formats",
    "make venv": "installs for minutes",
    "make audit-deps": "asks a service on the network",
    "fmkeras audit": "tests/analysis/test_label_issues.py",
    "fmkeras benchmark": "minutes; tests/benchmark/test_speed.py runs small ones, "
    "test_devices.py those of --scaling",
    "fmkeras benchmark-fit": "minutes; tests/benchmark/test_fit.py runs a small one",
    "fmkeras tune": "the tuner's search, which is run above",
    "fmkeras finetune": "minutes; tests/experiments/test_finetune.py",
    "fmkeras publish": "tests/export/test_publish.py",
    "fmkeras export": "minutes; tests/export/test_export.py runs a small model",
    "fmkeras try": "needs ONNX; tests/browser/test_try_page.py",
    "fmkeras campaign": "tests/experiments/test_campaign.py",
    "fmkeras import-torch": "tests/benchmark/test_import_torch.py",
    "fmkeras gpu-check": "minutes, on a GPU",
    "fmkeras parity": "minutes; tests/benchmark/test_parity.py runs small networks",
    "fmkeras pictures": "writes the committed pictures; starts a browser",
    "fmkeras quickstart": "tests/cli/test_train_cli.py",
    "fmkeras speedrun": "minutes; tests/benchmark/test_speedrun.py runs a small one",
    "fmkeras study": "tests/experiments/test_studies.py",
    "fmkeras zoo": "hours; tests/experiments/test_zoo.py trains small ones",
    "fmkeras zoo-check": "tests/experiments/test_zoo.py",
    "fmkeras repeat": "tests/report/test_tables.py",
    "fmkeras reproduce": "hours; tests/experiments/test_reproduce.py runs short ones",
    "fmkeras results": "writes the committed pages; tests/report/test_tables.py",
    "tuner chief": "waits for workers; tests/tuner/test_tuner_workers.py",
    "tuner export": "needs Optuna; tests/tuner/test_tuner_export.py",
    "tuner worker": "waits for a chief; tests/tuner/test_tuner_workers.py",
}
# Quick to train and to measure; flags of one network alone keep that network.
QUICK = ("logistic_regression", "linear", "mlp")
KEEPS_ITS_NETWORK = ("--hidden-units", "--hidden_units", "--dropout", "--space")
NEEDS_NOTHING = ("models", "data", "report")
FILES = {
    "space": {"hyperparameters": {"batch_size": [8, 16]}},
    "recipe": {"learning_rate": 0.01, "flip": True},
}
RUN = set()
STAND_IN_FILES = ("lenet", "cnn", "mynet")

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")


def commands():
    found = {}
    for page in pages():
        for command in shell_commands(page):
            found.setdefault(command, page.relative_to(ROOT).as_posix())
    return [pytest.param(text, id=f"{page}: {text}") for text, page in found.items()]


def made_by(text: str) -> list[list[str]]:
    """Return the words of the commands that a line runs, make's dry run for make."""
    words = shlex.split(text, comments=True)
    environment = dict(os.environ)
    while re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if words[0] == "python":
        return [words[2:]]
    if words[0] == "fmkeras":
        return [words] if words[1:] else []
    backend = [w.partition("=")[2] for w in words if w.startswith("BACKEND=")]
    cuda = f".venv-{backend[0] if backend else 'torch'}-cuda/.ready"
    ready = [".venv/.ready", ".venv/.ready-to-test", cuda]
    olds = [f"--old-file={name}" for name in ready]
    answer = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", *olds, *words[1:]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.replace("\\\n", " ").splitlines()
    ours = re.compile(r"\S*/python -m ((?:fmkeras|tuner) .*)")
    return [shlex.split(m[1]) for line in lines if (m := ours.match(line.strip()))]


def targets(text: str) -> list[str]:
    words = [word for word in shlex.split(text, comments=True) if "=" not in word]
    return [f"make {word}" for word in words[1:]] if words[0] == "make" else []


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with what the docs' commands name: data, models, runs, pictures."""
    table, contents = small_files()
    monkeypatch.setattr(checksums, "FILES", table)
    monkeypatch.setenv("FMKERAS_DATA", str(write_files(tmp_path / "small", contents)))
    monkeypatch.chdir(tmp_path)
    saved = tmp_path / "saved_models"
    (saved / "records").mkdir(parents=True)
    for number, name in enumerate((*STAND_IN_FILES, *QUICK)):
        for suffix in (".keras", ".json"):
            source = ROOT / "saved_models" / f"{QUICK[number % 3]}{suffix}"
            shutil.copy(source, saved / f"{name}{suffix}")
    (tmp_path / "path/to").mkdir(parents=True)
    shutil.copy(saved / "linear.keras", tmp_path / "path/to/any.keras")
    for name in ("shirt.png", "bag.jpg"):
        pixels = np.full((40, 30), 255, np.uint8)
        pixels[8:30, 6:24] = 40
        Image.fromarray(pixels).save(tmp_path / name)
    for number in range(40):
        path = tmp_path / "shoes" / ("left", "right")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((28, 28), number, np.uint8)).save(path)
    save_artifact(
        build_model("linear", 2),
        "cnn-shoes",
        {"dataset": {"name": "shoes"}},
        saved,
        ("left", "right"),
    )
    return tmp_path


def small(words: list[str]) -> list[str]:
    """Return a command with the quickest network that takes its flags."""
    program, name, *flags = words
    if name in ("train", "search") and not set(flags) & set(KEEPS_ITS_NETWORK):
        flags[flags.index("--model") + 1] = QUICK[0]
        if "--init-from" in flags:
            flags[flags.index("--init-from") + 1] = QUICK[0]
    flags += SMALL[f"{program} {name}"]
    if name == "search" and "hyperband" not in flags:
        flags += ["--trials", "1"]
    return [name, *flags]


def is_run(text: str, words: list[str]) -> bool:
    """Say whether a command of SMALL can be run here, and is more than a mention."""
    backends = re.findall(r"BACKEND=(\w+)", text)
    return (
        backends in ([], [os.environ["KERAS_BACKEND"]])
        and "--help" not in words
        # What goes on from an earlier run; the tests of training and tuner do that.
        and "runs/" not in text
        and "RESUME=" not in text
        and (len(words) > 2 or words[1] in NEEDS_NOTHING)
    )


@pytest.mark.parametrize("text", commands())
def test_every_command_is_run_or_named(text, workplace, capsys):
    inner = made_by(text)
    if not inner:
        assert all(t in NOT_HERE or t == "make help" for t in targets(text))
    for words in inner:
        program, name, *flags = words
        known = f"{program} {name}"
        assert known in SMALL or known in NOT_HERE, "Put it into one of the two"
        parser = build_tuner_parser() if program == "tuner" else build_parser()
        if flags and "--help" not in flags:
            # Underscores in a flag are dashes, as `main` takes them.
            dashed = [
                re.sub("^--[^=]+", lambda m: m[0].replace("_", "-"), w) for w in flags
            ]
            parser.parse_args([name, *dashed])
        if known in SMALL and is_run(text, words) and tuple(words) not in RUN:
            RUN.add(tuple(words))
            kind = "space" if "--space" in words else "recipe"
            Path("mine.json").write_text(json.dumps(FILES[kind]))
            code = (tuner_main if program == "tuner" else main)(small(words))
            out, err = capsys.readouterr()
            assert code == 0, err
            assert out


def python_pages():
    found = [p for p in pages() if any(b.language == "python" for b in blocks(p))]
    return [pytest.param(p, id=p.relative_to(ROOT).as_posix()) for p in found]


def _drawn_as_keras_has():
    """Return what Keras's own loader returns, without a download."""
    data = load_dataset("garments", train_size=20, test_size=20)
    return (data.x_train, data.y_train), (data.x_test, data.y_test)


@pytest.mark.parametrize("page", python_pages())
def test_python_blocks_run_in_turn(page, workplace, monkeypatch):
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", _drawn_as_keras_has)
    if page.parent.name == "saved_models":
        os.chdir("saved_models")
    generator = np.random.default_rng(0)
    names = {"images": generator.integers(0, 256, (6, 28, 28), np.uint8)}
    for block in blocks(page):
        if block.language == "python" and not block.not_run:
            code = compile(block.text, f"{block.page}:{block.line}", "exec")
            exec(code, names)


@pytest.mark.parametrize("page", pages(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_and_pictures_exist(page):
    for link in links(page):
        name, _, anchor = link.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(path), link


def test_the_readme_is_a_front_page():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 180


def test_the_index_of_docs_names_every_page():
    linked = links(ROOT / "docs/README.md")
    for page in ROOT.glob("docs/**/*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        assert name == "README.md" or name in linked


def test_the_tests_that_are_named_exist():
    for reason in NOT_HERE.values():
        for path in re.findall(r"tests/\S+\.py", reason):
            assert (ROOT / path).exists(), path
