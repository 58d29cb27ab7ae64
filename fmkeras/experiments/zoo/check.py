"""Every saved model, opened where fmkeras is not to be had, and held to its card."""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from fmkeras.artifacts.pair import card_path
from fmkeras.datasets import Dataset
from fmkeras.errors import UserError
from fmkeras.files.reading import read_json
from fmkeras.process.signals import run_child

BARE = Path(__file__).with_name("bare.py")


def check_zoo(
    dataset: Dataset,
    folder: Path,
    names: Iterable[str] = (),
    backends: Sequence[str] = ("torch", "tensorflow", "jax"),
    log: Callable[[str], None] = print,
) -> list[dict]:
    """Return a row for each model of `dataset` in `folder` and each backend.

    A row has `model`, `backend`, `passed`, and `expected` and `received`: how many test
    images are right, or in words what is wrong. `log` takes a line for each. Models of
    other data are passed over, and cards without a file. Raises `UserError` for names
    that are not there.
    """
    cards = _cards(folder, names, dataset, log)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "test.npz"
        np.savez(data, images=dataset.x_test, labels=dataset.y_test)
        for backend in backends:
            log(f"Keras on {backend}, {len(cards)} files:")
            answers = _answers(backend, data, [path for path, _ in cards])
            for (path, card), answer in zip(cards, answers, strict=True):
                row = {"model": path.stem, "backend": backend}
                row |= _compare(card, answer, len(dataset.y_test))
                rows.append(row)
                log(_text(row))
    return rows


def _cards(folder, names, dataset, log) -> list[tuple[Path, dict]]:
    """Return the files to check, with their cards."""
    names = list(dict.fromkeys(names))
    paths = [folder / f"{name.removesuffix('.keras')}.json" for name in names]
    found = []
    for path in paths or sorted(folder.glob("[!.]*.json")):
        file = path.with_suffix(".keras")
        try:
            card = dict(read_json(card_path(file)))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"There is no card to check by; expected '{path}' beside its model. "
                f"Received: {error}"
            ) from error
        if card.get("dataset", {}).get("checksum") != dataset.checksum:
            log(f"{path.stem:<20} passed over: it is of other data")
        elif card.get("file") is None and not file.exists():
            log(f"{path.stem:<20} passed over: a card alone ({card.get('remake')})")
        else:
            found.append((file.resolve(), card))
    if not found:
        raise UserError(
            f"There is nothing to check in '{folder}'; expected models of "
            f"{dataset.name}, each with its card: train one first."
        )
    return found


def _answers(backend: str, data: Path, paths: Sequence[Path]) -> list[dict]:
    """Open the files in a process that has Keras and this backend, and no more."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    # By its text and in the folder of the images: -I adds no folder to the path.
    command = [sys.executable, "-I", "-c", BARE.read_text(encoding="utf-8"), str(data)]
    environment |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    out, errors = data.with_name("out"), data.with_name("errors")
    with out.open("wb") as stdout, errors.open("wb") as stderr:
        code = run_child(
            [*command, *map(str, paths)],
            cwd=data.parent,
            env=environment,
            stdout=stdout,
            stderr=stderr,
        )
    lines = [s for s in out.read_text().splitlines() if s.startswith("{")]
    answers = [json.loads(line) for line in lines]
    if len(answers) < len(paths):
        # The process died at a file, as for want of memory.
        said = errors.read_text(errors="replace").strip().splitlines()
        error = {"error": f"exit code {code}: {said[-1] if said else 'no message'}"}
        answers += [error] * (len(paths) - len(answers))
    return answers


def _compare(card: dict, answer: dict, count: int) -> dict:
    if "error" in answer:
        return {"passed": False, "expected": "a model", "received": answer["error"]}
    if answer["sha256"] != card["sha256"]:
        return {
            "passed": False,
            "expected": f"sha256 {card['sha256']}",
            "received": f"sha256 {answer['sha256']}",
        }
    expected = round(card["test"]["accuracy"] * count)
    return {
        "passed": answer["right"] == expected,
        "expected": expected,
        "received": answer["right"],
    }


def _text(row: dict) -> str:
    head = f"{row['model']:<20} {row['backend']:<10} "
    if row["passed"]:
        return f"{head} ok, {row['received']:,} right"
    return f"{head} FAILED: expected {row['expected']}, received {row['received']}"
