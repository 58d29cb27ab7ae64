"""What there is of Fashion-MNIST on this machine, where, and whether it is intact."""

import os
from dataclasses import asdict, dataclass

import numpy as np

from fmkeras.datasets import checksums
from fmkeras.datasets.checksums import FileState, inspect
from fmkeras.datasets.dataset import Dataset
from fmkeras.datasets.fashion_mnist import DOWNLOAD_FOLDER, Place, parse, places
from fmkeras.labels import CLASS_NAMES


@dataclass(frozen=True)
class PlaceState:
    """A place that was looked at, its folder and the state of each file in it."""

    label: str
    folder: str
    exists: bool
    files: tuple[FileState, ...]

    @property
    def complete(self) -> bool:
        return all(file.state != "missing" for file in self.files)


@dataclass(frozen=True)
class DataReport:
    """The places in the order of the search, up to the one that would be used.

    Attributes:
        ok: whether a place holds all four files and each is intact.
        verdict: the same in one line.
        used: the folder that training would read, None where it would download.
        class_counts: images of each class in `train` and `test`, empty unless `ok`.
    """

    ok: bool
    verdict: str
    used: str | None
    places: tuple[PlaceState, ...]
    class_counts: dict[str, dict[str, int]]

    def to_dict(self) -> dict:
        """Return plain lists and dicts, for JSON."""
        return asdict(self)

    def to_text(self) -> str:
        """Return the report as lines to print."""
        lines = []
        for place in self.places:
            used = "  <- used" if place.folder == self.used else ""
            lines.append(f"{place.label}: {place.folder}{used}")
            if all(file.state == "missing" for file in place.files):
                lines.append(f"  {'nothing there' if place.exists else 'no folder'}")
                continue
            for file in place.files:
                size = "" if file.size is None else f"{file.size:,} bytes"
                lines.append(f"  {file.name:<27}{size:>18}  {file.detail}")
        if self.class_counts:
            lines += ["", counts_text(self.class_counts)]
        return "\n".join([*lines, "", self.verdict])


_PARTS = ("train", "test")


def describe_data(data_dir: str | os.PathLike | None = None) -> DataReport:
    """Look for Fashion-MNIST as training would, without downloading.

    Reads every file and compares its MD5; raises nothing for files that are missing
    or wrong, but reports them.
    """
    looked_at = []
    for place in places(data_dir):
        state = _look_at(place)
        looked_at.append(state)
        if state.complete or place.named:
            return _report(tuple(looked_at), state)
    return _report(tuple(looked_at), None)


def class_counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Return how many images of each class `train` and `test` hold."""
    return _counts(dataset.class_names, dataset.y_train, dataset.y_test)


def counts_text(counts: dict[str, dict[str, int]]) -> str:
    """Return the numbers of `class_counts` as a table."""
    width = max(12, *(len(name) + 1 for name in counts["train"]))
    lines = [f"{'images':<{width}}{'train':>8}{'test':>8}"]
    for name, train in counts["train"].items():
        lines.append(f"{name:<{width}}{train:>8,}{counts['test'][name]:>8,}")
    return "\n".join(lines)


def _counts(names, y_train, y_test) -> dict[str, dict[str, int]]:
    parts = zip(_PARTS, (y_train, y_test), strict=True)
    return {
        part: dict(
            zip(names, np.bincount(labels, minlength=len(names)).tolist(), strict=True)
        )
        for part, labels in parts
    }


def _look_at(place: Place) -> PlaceState:
    return PlaceState(
        place.label,
        str(place.folder),
        os.path.isdir(place.folder),
        tuple(inspect(place.folder, file) for file in checksums.FILES),
    )


def _report(looked_at: tuple[PlaceState, ...], used: PlaceState | None) -> DataReport:
    if used is None:
        verdict = (
            "Not found: training would download Fashion-MNIST into "
            f"'{DOWNLOAD_FOLDER}', or take DATA=garments."
        )
        return DataReport(False, verdict, None, looked_at, {})
    wrong = [file for file in used.files if file.state != "intact"]
    if wrong:
        faults = ", ".join(f"{file.name} {file.detail}" for file in wrong)
        verdict = f"Not intact: in '{used.folder}', {faults}."
        return DataReport(False, verdict, used.folder, looked_at, {})
    _, y_train, _, y_test = parse(used.folder)
    counts = _counts(CLASS_NAMES, y_train, y_test)
    verdict = f"Intact: the four files of Fashion-MNIST in '{used.folder}'."
    return DataReport(True, verdict, used.folder, looked_at, counts)
