"""Every saved model, opened where fmkeras is not to be had, and held to its card."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmkeras.artifacts.card import has_card, read_card_of
from fmkeras.artifacts.pair import card_path
from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import split_dataset
from fmkeras.errors import UserError
from fmkeras.process.signals import run_child

BARE = Path(__file__).with_name("bare.py")


@dataclass(frozen=True)
class Subject:
    """A file to check.

    Attributes:
        path: of the `.keras` file.
        card: None for a file of another project, which is opened only.
        fault: what is wrong before the file is opened; empty for nothing.
    """

    path: Path
    card: dict | None = None
    fault: str = ""


def check_zoo(
    dataset: Dataset,
    folder: Path,
    names: Iterable[str] = (),
    backends: Sequence[str] = ("torch", "tensorflow", "jax"),
    log: Callable[[str], None] = print,
) -> list[dict]:
    """Return a row for each model of `dataset` in `folder` and each backend.

    A row has `model`, `backend`, `passed`, and `expected` and `received`: how many test
    images are right, or in words what is wrong. `log` takes a line for each. A file
    without a card passes where it opens; its `expected` is None. Models of other data
    are passed over, and cards without a file. Raises `UserError` for names that are
    not there.
    """
    subjects = _subjects(folder, names, dataset, log)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        pairs = [
            (_write_images(Path(name), dataset, one.card or {}), one.path)
            for one in subjects
            if not one.fault
        ]
        for backend in backends:
            log(f"Keras on {backend}, {len(subjects)} files:")
            answers = iter(_answers(backend, Path(name), pairs))
            for one in subjects:
                row = {"model": one.path.stem, "backend": backend}
                row |= _compare(one, {} if one.fault else next(answers))
                rows.append(row)
                log(_text(row))
    return rows


def _subjects(folder, names, dataset, log) -> list[Subject]:
    """Return the files to check."""
    if not folder.is_dir():
        raise UserError(
            "There is no such folder of models; expected the one that zoo wrote, as "
            "--models-dir DIR (make: OUT=DIR); what was found goes to --json FILE "
            f"(make: ARGS='--json FILE'). Received: {str(folder)!r}"
        )
    names = list(dict.fromkeys(names))
    stems = [name.removesuffix(".keras") for name in names]
    if not stems:
        ends = (".keras", ".json")
        paths = [p for p in folder.glob("[!.]*") if p.is_file() and p.suffix in ends]
        stems = sorted({path.stem for path in paths})
    found = []
    for stem in stems:
        path = (folder / f"{stem}.keras").resolve()
        if not path.exists() and not card_path(path).exists():
            raise UserError(
                f"There is no such model in '{folder}'; expected a name from there. "
                f"Received: {stem!r}"
            )
        if path.exists() and not has_card(path):
            found.append(Subject(path))
            continue
        try:
            card = read_card_of(path)
        except UserError as error:
            if path.exists() or has_card(path):
                found.append(Subject(path, fault=str(error)))
            else:
                log(f"{stem:<20} passed over: it is no card")
            continue
        if card.get("dataset", {}).get("checksum") != dataset.checksum:
            log(f"{stem:<20} passed over: it is of other data")
        elif card.get("file") is None and not path.exists():
            log(f"{stem:<20} passed over: a card alone ({card.get('remake')})")
        elif not {"sha256", "test"} <= set(card) or "accuracy" not in card["test"]:
            found.append(Subject(path, fault="its card lacks sha256 or test figures"))
        else:
            found.append(Subject(path, card))
    if not found:
        raise UserError(
            f"There is nothing to check in '{folder}'; expected models of "
            f"{dataset.name}, each with its card: train one first."
        )
    return found


def _write_images(folder: Path, dataset: Dataset, card: dict) -> Path:
    """Return the file of the test images that a card's figures are of.

    Some recipes divide the test images, by the seed of the run.
    """
    split = card.get("recipe", {}).get("data_split", "full")
    if split != "fashionnet":
        split = "full"
    seed, streams = card.get("seed", 0), card.get("streams", 1)
    path = folder / (f"{split}-{seed}-{streams}.npz" if split != "full" else "full.npz")
    if not path.exists():
        test = split_dataset(dataset, seed, split, streams).test
        np.savez(path, images=test.images, labels=test.labels)
    return path


def _answers(
    backend: str, folder: Path, pairs: Sequence[tuple[Path, Path]]
) -> list[dict]:
    """Open the files in processes that have Keras and this backend, and no more.

    `pairs` are of images and model. A process that dies at a file, as for want of
    memory, is that file's error; the next goes on behind it.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    # By its text and in the folder of the images: -I adds no folder to the path.
    command = [sys.executable, "-I", "-c", BARE.read_text(encoding="utf-8")]
    out, errors = folder / "out", folder / "errors"
    answers: list[dict] = []
    while len(answers) < len(pairs):
        words = [str(path) for pair in pairs[len(answers) :] for path in pair]
        with out.open("wb") as stdout, errors.open("wb") as stderr:
            code = run_child(
                [*command, *words],
                cwd=folder,
                env=environment,
                stdout=stdout,
                stderr=stderr,
            )
        lines = [s for s in out.read_text().splitlines() if s.startswith("{")]
        answers += [json.loads(line) for line in lines[1:]]
        if len(answers) < len(pairs):
            said = errors.read_text(errors="replace").strip().splitlines()
            error = f"exit code {code}: {said[-1] if said else 'no message'}"
            answers.append({"error": error})
            if not lines:
                # Keras itself could not be imported: no file will fare better.
                answers += [{"error": error}] * (len(pairs) - len(answers))
    return answers


def _compare(subject: Subject, answer: dict) -> dict:
    card = subject.card
    if subject.fault:
        return _failed("a card to check by", subject.fault)
    if "error" in answer:
        return _failed("a model", answer["error"])
    if card is None:
        return {"passed": True, "expected": None, "received": answer["right"]}
    if answer["sha256"] != card["sha256"]:
        return _failed(f"sha256 {card['sha256']}", f"sha256 {answer['sha256']}")
    count = card["test"].get("count", answer["count"])
    if count != answer["count"]:
        return _failed(f"{count:,} test images", f"{answer['count']:,}")
    expected = round(card["test"]["accuracy"] * count)
    return {
        "passed": answer["right"] == expected,
        "expected": expected,
        "received": answer["right"],
    }


def _failed(expected: str, received: str) -> dict:
    return {"passed": False, "expected": expected, "received": received}


def _text(row: dict) -> str:
    head = f"{row['model']:<20} {row['backend']:<10} "
    if row["passed"] and row["expected"] is None:
        return f"{head} opens, {row['received']:,} right; no card to compare with"
    if row["passed"]:
        return f"{head} ok, {row['received']:,} right"
    return f"{head} FAILED: expected {row['expected']}, received {row['received']}"
