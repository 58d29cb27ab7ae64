"""Export a model: convert, run the result in its own runtime, compare, then keep it."""

import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from fmkeras.artifacts.keras_file import FOLDER, find_artifact
from fmkeras.artifacts.lookup import card_or_empty, load_for_dataset, told_pixels
from fmkeras.artifacts.pixels import RAW
from fmkeras.backends import block_imports
from fmkeras.datasets import Dataset
from fmkeras.engines import predict
from fmkeras.engines.device import PROCESSOR_ALONE, describe_processor
from fmkeras.errors import UserError
from fmkeras.evaluation.evaluate import as_probabilities, output_kind
from fmkeras.export.bundle import write_bundle
from fmkeras.export.formats import ExportFormat, check_packages, find_format
from fmkeras.export.standard import standard_model
from fmkeras.files import may_be_replaced, replacing_folder
from fmkeras.process.failure import error_line

COMPARED = 1_000
CALIBRATION = 500
TOLERANCE = 1e-4
REPEATS = 200


@dataclass(frozen=True, eq=False)
class Source:
    """A model to export.

    Attributes:
        path: of its `.keras` file.
        model: takes raw pixels.
        pixels: the range that it was trained on, a key of `RANGES`.
        outputs: what it gives of all test images, float64 (n, classes): probabilities,
            logits or sigmoids.
    """

    path: Path
    model: keras.Model
    pixels: str
    outputs: np.ndarray


class ExportFailed(UserError):
    """A format that could not be written, or whose file computes something else."""


def export_model(
    path_or_name: str | os.PathLike,
    format_name: str,
    dataset: Dataset,
    out: str | os.PathLike,
    *,
    folder: str | os.PathLike = FOLDER,
    pixels: str | None = None,
    source: Source | None = None,
    repeats: int = REPEATS,
    log: Callable[[str], None] = lambda text: None,
) -> dict:
    """Write a model in one format to `OUT/NAME/FORMAT/` and return what was found.

    The file is opened by its own runtime and compared with the `.keras` file on the
    first 1,000 test images: probabilities to 1e-4, and the same classes; a file that
    differs is not kept. int8 is fitted on 500 training images, and its accuracy on
    all test images stands beside that of the `.keras` file. The exported model takes
    raw pixels and gives probabilities: logits and sigmoids are made such. `pixels` is
    the range that a model without a card was trained on; `source` is what
    `open_source` returns, where the model is open already. `repeats` single images
    are timed on one thread, 0 times none. Raises `UserError` where packages are
    missing or OUT/NAME/FORMAT holds something else, `ExportFailed` where the
    conversion fails or the outputs differ.
    """
    export_format = find_format(format_name)
    path = find_artifact(path_or_name, folder)
    target = Path(out) / path.stem / export_format.name
    check_packages(export_format)
    check_target(target)
    if source is None:
        source = open_source(path, dataset, pixels=pixels)
    kind, expected = output_kind(source.outputs), as_probabilities(source.outputs)
    card = {**card_or_empty(path), "classes": list(dataset.class_names)}
    images = _pixels(dataset.x_test)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        ready = work / "model.keras"
        with block_imports("tensorflow"):
            standard_model(source.model, kind).save(ready)
        np.save(work / "calibration.npy", _calibration(dataset))
        np.save(work / "images.npy", images)
        with replacing_folder(target) as staging:
            file = staging / export_format.filename(path.stem)
            log(f"{path.stem} to {export_format.name}: converting")
            start = time.perf_counter()
            _run_convert(export_format, path, ready, file, work / "calibration.npy")
            seconds = time.perf_counter() - start
            log(f"{path.stem} to {export_format.name}: comparing with the .keras file")
            received = _run_runtime(
                export_format.name, export_format.backend, file, work, repeats
            )
            facts = {
                "model": path.stem,
                "format": export_format.name,
                "file": file.name,
                "bytes": _size(staging),
                "source_bytes": path.stat().st_size,
                "source_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "convert_seconds": round(seconds, 1),
                "backend": export_format.backend or os.environ.get("KERAS_BACKEND"),
                "device": describe_processor(),
                "runtime": {export_format.runtime: _version(export_format.runtime)},
                "pixels": source.pixels,
                "outputs": kind,
                "dataset": {"name": dataset.name, "checksum": dataset.checksum},
                **compare(expected, received, dataset.y_test),
            }
            check_equal(export_format, facts)
            write_bundle(staging, export_format, path.stem, card, facts)
    return facts


def check_target(target: Path) -> None:
    """Raise `UserError` where `target` holds what no export wrote."""
    if not may_be_replaced(target, "export.json"):
        raise UserError(
            f"'{target}' is there already and is no export; expected a folder to make: "
            "move it away, or give another --out (make: OUT=)."
        )


def open_source(
    path_or_name: str | os.PathLike,
    dataset: Dataset,
    folder: str | os.PathLike = FOLDER,
    pixels: str | None = None,
) -> Source:
    """Open a model to export, and run it on the test images.

    `pixels` is the range that a model without a card was trained on. Raises
    `UserError` as `load_for_dataset` does.
    """
    model = load_for_dataset(path_or_name, folder, dataset, pixels)
    return Source(
        path=find_artifact(path_or_name, folder),
        model=model,
        pixels=told_pixels(card_or_empty(path_or_name, folder), pixels) or RAW,
        outputs=predict(model, dataset.x_test).astype(np.float64),
    )


def compare(expected: np.ndarray, received: dict, labels: np.ndarray) -> dict:
    """Return how the outputs of an exported file differ from those of the `.keras`.

    `expected` (n, classes) are of all test images; `received` holds `probabilities`
    of the same, `one` (1, classes) of the first alone, and `seconds` of single
    images, with the `busy_cores` of other processes. The first 1,000 are compared.
    """
    ours, theirs = expected, received["probabilities"]
    count = min(COMPARED, len(ours))
    difference = np.abs(ours[:count] - theirs[:count])
    same = ours[:count].argmax(axis=1) == theirs[:count].argmax(axis=1)
    facts = {
        "images": count,
        "max_difference": float(difference.max()),
        "same_classes": int(same.sum()),
        "free_batch": bool(np.abs(received["one"] - theirs[:1]).max() < TOLERANCE),
        "test_images": len(labels),
        "accuracy": float(np.mean(theirs.argmax(axis=1) == labels)),
        "source_accuracy": float(np.mean(ours.argmax(axis=1) == labels)),
    }
    if len(received["seconds"]):
        milliseconds = np.asarray(received["seconds"]) * 1e3
        facts["latency_ms"] = {
            "median": round(float(np.median(milliseconds)), 4),
            "p90": round(float(np.quantile(milliseconds, 0.9)), 4),
            "images": len(milliseconds),
            "busy_cores": _finite(received["busy_cores"]),
        }
    return facts


def check_equal(export_format: ExportFormat, facts: dict) -> None:
    """Raise `ExportFailed` where a format that loses nothing gives other outputs."""
    if export_format.quantized:
        return
    if facts["max_difference"] > TOLERANCE or facts["same_classes"] < facts["images"]:
        raise ExportFailed(
            f"The {export_format.name} file of {facts['model']} computes something "
            f"else than the .keras file; expected probabilities equal to {TOLERANCE} "
            "and the same classes, so it was not kept. Received: "
            f"{facts['max_difference']:.2g}, and {facts['same_classes']} of "
            f"{facts['images']} classes"
        )


def _run_runtime(
    name: str, backend: str | None, file: Path, work: Path, repeats: int
) -> dict:
    outputs = work / "outputs.npz"
    words = [name, file, work / "images.npy", outputs, repeats]
    _run_process("fmkeras.export.runtimes", words, backend, f"run {file.name}")
    with np.load(outputs) as result:
        return dict(result)


def _run_convert(
    export_format: ExportFormat, path: Path, ready: Path, file: Path, images: Path
) -> None:
    _run_process(
        "fmkeras.export.convert",
        [ready, export_format.name, file, images],
        export_format.backend,
        f"convert {path} to {export_format.name}",
    )


def _run_process(module: str, words: list, backend: str | None, task: str) -> None:
    """Run a module in a process of `backend`; raise `ExportFailed` with its reason.

    It sees no GPU: exports are made for processors, and timed on this machine's.
    """
    environment = {**os.environ, **PROCESSOR_ALONE, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if backend is not None:
        environment["KERAS_BACKEND"] = backend
    package = str(Path(__file__).resolve().parents[2])
    known = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{package}{os.pathsep}{known}" if known else package
    answer = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if answer.returncode:
        reason = error_line(answer.stderr, f"exit code {answer.returncode}")
        raise ExportFailed(f"Cannot {task}. Received: {reason[:300]}")


def _finite(value) -> float | None:
    return round(float(value), 2) if np.isfinite(value) else None


def _pixels(images: np.ndarray) -> np.ndarray:
    return images.reshape(-1, *images.shape[1:3], 1).astype(np.float32)


def _calibration(dataset: Dataset) -> np.ndarray:
    """Return up to 500 training images, spread evenly over the set."""
    count = len(dataset.x_train)
    chosen = np.linspace(0, count - 1, min(CALIBRATION, count)).astype(int)
    return _pixels(dataset.x_train[chosen])


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _version(package: str) -> str:
    # tensorflow and torch may be installed under other names, such as tensorflow-cpu.
    names = importlib.metadata.packages_distributions().get(package, [package])
    return importlib.metadata.version(names[0])
