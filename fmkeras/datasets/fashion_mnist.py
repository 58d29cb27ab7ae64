"""Fashion-MNIST: find its four files, download, verify and parse them.

60,000 training and 10,000 test images of ten kinds of garment (Xiao, Rasul and
Vollgraf, 2017, arXiv:1708.07747; https://github.com/zalandoresearch/fashion-mnist).
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmkeras.datasets import checksums
from fmkeras.datasets.checksums import inspect, locate
from fmkeras.datasets.dataset import Dataset, content_checksum
from fmkeras.datasets.download import FetchError, fetch
from fmkeras.datasets.idx import read_idx
from fmkeras.errors import UserError
from fmkeras.files.paths import user_path
from fmkeras.labels import NUM_CLASSES

ADDRESSES = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
DOWNLOAD_FOLDER = Path("data/fashion-mnist")
ENVIRONMENT_VARIABLE = "FMKERAS_DATA"


class DataNotFound(UserError):
    """Fashion-MNIST lies in none of the usual places and could not be downloaded."""


@dataclass(frozen=True)
class Place:
    """A folder to look in; one that the user `named` must hold all the files."""

    label: str
    folder: Path
    named: bool = False


def load_fashion_mnist(
    data_dir: str | os.PathLike | None = None,
    *,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """Find or download, verify and parse Fashion-MNIST.

    Raises `UserError` where a file is missing from a folder the user named or is
    not intact, `DataNotFound` where no place has the files and none can be had.
    """
    folder = find(data_dir)
    if folder is None:
        if not download:
            raise _not_found("downloading is switched off")
        folder = download_files(progress=progress)
    verify(folder)
    x_train, y_train, x_test, y_test = parse(folder)
    return Dataset(
        name="fashion-mnist",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        source=str(folder),
        checksum=content_checksum(x_train, y_train, x_test, y_test),
    )


def places(data_dir: str | os.PathLike | None = None) -> list[Place]:
    """List the folders to look in, in order.

    `data_dir`, else `$FMKERAS_DATA`, are the only one where given. Otherwise
    `data/fashion-mnist` and `../shared/data/fashion-mnist`, of the current folder and
    of the checkout the code runs from, and the folder that Keras downloads to.
    """
    if data_dir is not None:
        return [Place("--data-dir", user_path(data_dir), named=True)]
    if variable := os.environ.get(ENVIRONMENT_VARIABLE):
        folder = user_path(variable)
        return [Place(f"${ENVIRONMENT_VARIABLE}", folder, named=True)]
    bases = [Path(), *_checkout()]
    candidates = [Place("data folder", base / DOWNLOAD_FOLDER) for base in bases]
    candidates += [
        Place("shared folder", base / "../shared" / DOWNLOAD_FOLDER) for base in bases
    ]
    # A user without HOME and without an entry in passwd has no home.
    with contextlib.suppress(RuntimeError):
        keras_home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
        candidates.append(Place("Keras's cache", keras_home / "datasets/fashion-mnist"))
    different = {}
    for place in candidates:
        different.setdefault(os.path.realpath(place.folder), place)
    return list(different.values())


def find(data_dir: str | os.PathLike | None = None) -> Path | None:
    """Return the first place that holds all four files, packed or not, else None.

    Raises `UserError` where the user named a folder and it lacks some.
    """
    for place in places(data_dir):
        lacking = [
            file.name for file in checksums.FILES if locate(place.folder, file) is None
        ]
        if not lacking:
            return place.folder
        if place.named:
            there = "no folder"
            if os.path.isdir(place.folder):
                there = f"a folder without {', '.join(lacking)}"
            raise UserError(
                f"Fashion-MNIST is not in '{place.folder}' ({place.label}); expected a "
                "folder with its four files, packed (.gz) or not: name another. "
                f"Received: {there}"
            )
    return None


def download_files(
    folder: str | os.PathLike = DOWNLOAD_FOLDER, *, progress: bool = True
) -> Path:
    """Download what `folder` lacks of the four files, packed, and return it.

    Raises `DataNotFound` where a file cannot be had from any address.
    """
    folder = Path(folder)
    for file in checksums.FILES:
        if locate(folder, file) is not None:
            continue
        name = f"{file.name}.gz"
        addresses = [address + name for address in ADDRESSES]
        try:
            fetch(addresses, folder / name, *file.packed, progress=progress)
        except FetchError as error:
            raise _not_found(f"the download failed, {error}") from error
    return folder


def verify(folder: str | os.PathLike) -> None:
    """Check the MD5 of the four files in `folder`.

    Raises `UserError` that says of each wrong file what is wrong: missing,
    truncated, altered, or swapped for another.
    """
    folder = Path(folder)
    states = [inspect(folder, file) for file in checksums.FILES]
    wrong = [state for state in states if state.state != "intact"]
    if wrong:
        faults = ", ".join(f"{state.name} {state.detail}" for state in wrong)
        anew = " or delete it to download it anew" if folder == DOWNLOAD_FOLDER else ""
        raise UserError(
            f"Fashion-MNIST in '{folder}' is not intact; expected the published files, "
            f"by their MD5: replace what is named here{anew}. Received: {faults}"
        )


def parse(
    folder: str | os.PathLike,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read x_train, y_train, x_test, y_test: uint8 images and int64 labels.

    Raises `UserError` where a magic number, a count, a length or a label is wrong.
    """
    arrays = []
    for file in checksums.FILES:
        path = locate(Path(folder), file)
        if path is None:
            raise UserError(
                f"A file of Fashion-MNIST is missing from '{folder}'; expected "
                f"{file.name}, with .gz or without: put it there."
            )
        array = read_idx(path, file.shape)
        if file.kind == "labels":
            if array.max() >= NUM_CLASSES:
                raise UserError(
                    f"The file '{path}' holds a label out of range; expected 0 to "
                    f"{NUM_CLASSES - 1}: replace the file. Received: {array.max()}"
                )
            array = array.astype(np.int64)
        arrays.append(array)
    return tuple(arrays)


def _checkout() -> list[Path]:
    """The folder of the checkout that this code lies in; none where installed."""
    root = Path(__file__).resolve().parents[2]
    return [root] if (root / "pyproject.toml").is_file() else []


def _not_found(reason: str) -> DataNotFound:
    return DataNotFound(
        f"Fashion-MNIST was not found ({reason}); there are four ways to it: go on the "
        "network to have it downloaded, name its folder with --data-dir (make: "
        f"DATA_DIR=...), name it in ${ENVIRONMENT_VARIABLE}, or put the four files in "
        f"'{DOWNLOAD_FOLDER}'. Without it, --data garments (make: DATA=garments) takes "
        "images that the project draws."
    )
