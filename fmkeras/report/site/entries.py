"""The models of a report: cards, outputs and learning curves."""

import contextlib
import csv
import dataclasses
import hashlib
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from fmkeras.artifacts import keras_file
from fmkeras.artifacts.card import DATASET, TRAINING
from fmkeras.artifacts.lookup import (
    card_or_empty,
    load_for_dataset,
    validation_subset,
)
from fmkeras.datasets import Dataset
from fmkeras.datasets.splits import limit_training
from fmkeras.engines import predict
from fmkeras.engines.device import describe_device
from fmkeras.errors import UserError
from fmkeras.evaluation.evaluate import (
    Evaluation,
    Temperature,
    evaluate_outputs,
    fit_on_validation,
)
from fmkeras.evaluation.rate import BatchRate
from fmkeras.files import plain_name, replacing
from fmkeras.files.npz import read_npz
from fmkeras.files.reading import read_json, read_text, reason_of
from fmkeras.labels import CLASS_NAMES
from fmkeras.training.checkpoint_file import DamagedCheckpoint, kept_weights

RUN = TRAINING | {
    "model": str,
    "options": dict,
    "recipe": {"preprocessing": str, "init": str, "data_split?": str},
    "dataset": DATASET,
}


@dataclass(frozen=True, eq=False)
class ReportEntry:
    """One model of a report.

    Attributes:
        name: its name in the report and of its page.
        card: of the model, or the record of its run; empty for a file without one.
        model: uncompiled, images to probabilities or logits.
        bytes: the size of its file, or of its weights where it has none.
        evaluation: over the test images.
        temperature: None where it has no validation images.
        history: a row per epoch, as in history.csv; empty where none is kept.
        per_class: a row per epoch and class, as in per_class.csv; likewise.
        sha256: of its file; None for a run.
    """

    name: str
    card: dict
    model: object
    bytes: int
    evaluation: Evaluation
    temperature: Temperature | None
    history: list[dict]
    per_class: list[dict]
    sha256: str | None = None


def saved_entries(
    names: Iterable[str],
    models_dir: str | Path,
    dataset: Dataset,
    runs: Iterable[str | Path],
    cache: str | Path,
    log: Callable[[str], None] = lambda name: None,
    pixels: str | None = None,
) -> list[ReportEntry]:
    """Return saved models, the most accurate first.

    Their outputs are kept in `cache` and not computed again while the file and the
    data set stay the same. `runs` are folders under which the runs that made them
    are looked for; `pixels` is the range that models without a card take. Raises
    `UserError` for two models of one name.
    """
    folders = _run_folders(runs)

    def entry_of(path: Path) -> ReportEntry:
        card = card_or_empty(path)
        run = folders.get(_identity(card))
        content = path.read_bytes()
        entry = _entry(
            name=path.stem,
            card=card,
            model=load_for_dataset(path, models_dir, dataset, pixels),
            digest=hashlib.sha256(content + (pixels or "").encode()).hexdigest(),
            size=path.stat().st_size,
            dataset=dataset,
            cache=cache,
        )
        entry = _with_history(entry, run)
        return dataclasses.replace(entry, sha256=hashlib.sha256(content).hexdigest())

    entries, refused = [], []
    for name in names:
        log(name)
        path = keras_file.find_artifact(name, models_dir)
        try:
            entries.append(entry_of(path))
        except UserError as error:
            # One bad file does not keep the others from their pages.
            refused.append(error)
            print(f"fmkeras: Left out of the report: {error}", file=sys.stderr)
    if not entries and refused:
        raise refused[0]
    stems = [entry.name for entry in entries]
    if len(set(stems)) < len(stems):
        raise UserError(
            "Two models have the same name, and a report needs a page for each; "
            f"rename one of the files. Received: {', '.join(stems)}"
        )
    return sorted(entries, key=lambda entry: -entry.evaluation.accuracy)


def run_entry(folder: str | Path, dataset: Dataset, cache: str | Path) -> ReportEntry:
    """Return the model of one run, with the weights that the run kept.

    `dataset` is what it was trained on, or what that is a part of (`--limit`). Raises
    `UserError` for other data, and where the folder holds no finished run.
    """
    folder = Path(folder)
    try:
        record = read_json(folder / "record.json", RUN)
    except (OSError, ValueError) as error:
        raise _no_run(folder, error) from error
    dataset = _data_of_run(record, dataset)
    try:
        model, digest, size = _model_of_run(folder, record, dataset)
    except (OSError, ValueError, DamagedCheckpoint) as error:
        raise _no_run(folder, error) from error
    entry = _entry(
        name=folder.name,
        card=record,
        model=model,
        digest=digest,
        size=size,
        dataset=dataset,
        cache=cache,
    )
    return _with_history(entry, folder)


def _no_run(folder: Path, error: Exception) -> UserError:
    return UserError(
        "There is no finished run to report on; expected a folder with record.json "
        "and the checkpoint.npz of its network, as runs/ has. "
        f"Received: {str(folder)!r} ({reason_of(error)})"
    )


def _data_of_run(record: dict, dataset: Dataset) -> Dataset:
    """Return the data that a run was trained on, of `dataset` where it took a part.

    Raises `UserError` where it was trained on other data.
    """
    told = record["dataset"]
    classes = tuple(told.get("classes", CLASS_NAMES))
    checksum = told.get("checksum", dataset.checksum)
    if classes == dataset.class_names:
        if checksum == dataset.checksum:
            return dataset
        count = told.get("train", 0)
        if record["recipe"].get("data_split") != "fashionnet":
            count += told.get("validation", 0)
        if 2 * dataset.num_classes <= count < len(dataset.y_train):
            # Some counts leave too few images of a class: no run had them.
            with contextlib.suppress(UserError, ValueError):
                part = limit_training(dataset, count, record.get("seed", 0))
                if part.checksum == checksum:
                    return part
    name = told.get("name", "unknown")
    source = told.get("source", name)
    raise UserError(
        f"The run was trained on other data; expected {name} ({source}): give it by "
        "--data and the flags it had then (make: DATA=). "
        f"Received: {dataset.name} of {len(dataset.y_train):,} training images"
    )


def _model_of_run(folder: Path, record: dict, dataset: Dataset):
    """Return the inference model of a run, the checksum of its content and its size."""
    from fmkeras.models import build_model

    if Path(record["model"]).suffix == ".keras":
        # The file it was made from may be another by now, or be gone.
        path = next(iter(sorted(folder.glob("[!.]*.keras"))), None)
        if path is None:
            raise FileNotFoundError("it holds no .keras file")
        model = load_for_dataset(path, folder, dataset)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return model, digest, path.stat().st_size
    weights = kept_weights(folder / "checkpoint.npz")
    recipe = record["recipe"]
    model = build_model(
        record["model"],
        dataset.num_classes,
        preprocessing=recipe["preprocessing"],
        init=recipe["init"],
        **record["options"],
    )
    model.set_weights(weights)
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(weight.tobytes())
    model = keras_file.to_inference_model(model)
    return model, digest.hexdigest(), 4 * model.count_params()


def count_trainable(model) -> int:
    """Return the number of trainable weights."""
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def _entry(*, name, card, model, digest, size, dataset, cache) -> ReportEntry:
    def outputs(part: str, images: np.ndarray):
        return _outputs(Path(cache), digest, dataset.checksum, part, model, images)

    found, rate = outputs("test", dataset.x_test)
    evaluation = evaluate_outputs(found, dataset.y_test, rate, dataset.class_names)
    part, temperature = validation_subset(card, dataset), None
    if part is not None:
        found, rate = outputs(f"validation{card['seed']}", part.images)
        seen = evaluate_outputs(found, part.labels, rate, dataset.class_names)
        temperature = fit_on_validation(evaluation, seen.probabilities, part.labels)
    return ReportEntry(name, card, model, size, evaluation, temperature, [], [])


def _outputs(cache, digest, checksum, part, model, images):
    """Return float64 outputs and images per second, from the cache if there.

    The rate is that of the backend and the device: others have entries of their own.
    """
    where = f"{keras.backend.backend()} {describe_device()}"
    place = hashlib.sha256(where.encode()).hexdigest()[:8]
    path = cache / f"{digest[:16]}-{checksum[:8]}-{part}-{place}.npz"
    try:
        arrays = read_npz(path)
        known = arrays["outputs"], float(arrays["rate"])
        if str(arrays["digest"]) == digest and len(known[0]) == len(images):
            return known[0].astype(np.float64), known[1]
    except (OSError, ValueError, KeyError, TypeError):
        # Missing or unreadable: it is computed again.
        pass
    measure = BatchRate()
    outputs = predict(model, images, on_batch=measure)
    rate = measure.per_second(len(images))
    if not np.isfinite(outputs).all():
        raise UserError(
            "A model's outputs are not finite numbers, as after a training "
            "that diverged; leave it out, or train it again. "
            f"Received: {model.name}"
        )
    with replacing(path) as temporary:
        np.savez(temporary, digest=digest, outputs=outputs, rate=rate)
    return outputs.astype(np.float64), rate


def _run_folders(runs: Iterable[str | Path]) -> dict[tuple, Path]:
    """Return the folders of finished runs by their identity."""
    folders = {}
    for root in runs:
        for path in sorted(Path(root).glob("**/record.json")):
            try:
                folders[_identity(read_json(path, TRAINING))] = path.parent
            except (OSError, ValueError):
                # Not the record of a run.
                continue
    folders.pop(_identity({}), None)
    return folders


def _identity(record: dict) -> tuple:
    return tuple(record.get(key) for key in ("model", "seed", "time", "command"))


def _with_history(entry: ReportEntry, folder: Path | None) -> ReportEntry:
    history, classes = _rows(entry.card.get("history")), []
    if folder is not None:
        history = _read_csv(folder / "history.csv") or history
        classes = _read_csv(folder / "per_class.csv")
    return dataclasses.replace(entry, history=history, per_class=classes)


def _rows(columns: dict | None) -> list[dict]:
    """Return the history of a card, a list per column, as rows."""
    if not columns:
        return []
    values = zip(*columns.values(), strict=True)
    return [
        {"epoch": number, **dict(zip(columns, row, strict=True))}
        for number, row in enumerate(values, 1)
    ]


def _read_csv(path: Path) -> list[dict]:
    """Return the rows of a run's figures; none where they cannot be read."""
    if not path.exists():
        return []
    try:
        text = read_text(path)
        rows = list(csv.DictReader(text.splitlines()))
        for row in rows:
            for name, value in row.items():
                if name != "class":
                    float(value)
    except (OSError, ValueError, TypeError, csv.Error) as error:
        print(f"'{path}' cannot be read: {reason_of(error)}", file=sys.stderr)
        return []
    return rows


def page_name(name: str) -> str:
    """Return the file name of a model's page."""
    return f"net-{plain_name(name)}.html"
