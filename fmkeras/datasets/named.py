"""MNIST and its kin by name: found in data/NAME, or downloaded and checked.

MNIST (LeCun, Cortes and Burges, 1998), KMNIST (Clanuwat et al., 2018,
arXiv:1812.01718) and the letters of EMNIST (Cohen et al., 2017, arXiv:1702.05373), all
in IDX files of 28 x 28 images.
"""

import hashlib
import os
import string
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmkeras.datasets.dataset import Dataset, content_checksum
from fmkeras.datasets.download import FetchError, fetch
from fmkeras.datasets.own.idx_files import LARGEST_BYTES, find_idx, read_part
from fmkeras.errors import UserError
from fmkeras.files import replacing
from fmkeras.files.paths import user_path
from fmkeras.files.reading import read_bytes, reason_of


@dataclass(frozen=True)
class NamedSet:
    """A published set of images.

    Attributes:
        addresses: folders on the network, or of an `archive` its own addresses.
        checksums: the MD5 of each gzipped file.
        class_names: in the order of the labels.
        archive: the MD5 of the .zip that holds the files, None where they lie open.
        prefix: of the files of this set.
        first_label: 1 where labels count from one.
        transposed: whether the images lie on their side.
    """

    addresses: tuple[str, ...]
    checksums: dict[str, str]
    class_names: tuple[str, ...]
    archive: str | None = None
    prefix: str = ""
    first_label: int = 0
    transposed: bool = False


def _files(images: str, labels: str, test_images: str, test_labels: str) -> dict:
    return {
        "train-images-idx3-ubyte.gz": images,
        "train-labels-idx1-ubyte.gz": labels,
        "t10k-images-idx3-ubyte.gz": test_images,
        "t10k-labels-idx1-ubyte.gz": test_labels,
    }


NAMED = {
    "mnist": NamedSet(
        addresses=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        checksums=_files(
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        class_names=tuple(string.digits),
    ),
    "kmnist": NamedSet(
        addresses=(
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        ),
        checksums=_files(
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    ),
    "emnist-letters": NamedSet(
        addresses=(
            "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
            "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip",
        ),
        # NIST publishes the checksum of the archive alone.
        checksums={},
        class_names=tuple(string.ascii_uppercase),
        archive="58c8d27c78d21e728a6bc7b3cc06412e",
        prefix="emnist-letters-",
        first_label=1,
        transposed=True,
    ),
}


def load_named(
    name: str,
    data_dir: str | os.PathLike | None = None,
    *,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """Find or download one of `NAMED`, check and parse it.

    `data_dir` is the folder of its four IDX files; without it they are looked for in
    data/NAME and ../shared/data/NAME, else downloaded to the former. Gzipped files
    are checked by their MD5. Raises `UserError` where they are not to be had, or
    are altered.
    """
    named = NAMED[name]
    own = None if data_dir is None else user_path(data_dir)
    places = [own] if own else [Path("data") / name, Path("../shared/data") / name]
    folder = next((p for p in places if _is_whole(p, named, complain=bool(own))), None)
    if folder is None:
        if own or not download:
            raise UserError(
                f"The data set {name} is not in '{places[0]}'; expected its four IDX "
                "files, gzipped or not: put them there, or leave --data-dir (make: "
                "DATA_DIR=) out to have them downloaded."
            )
        folder = places[0]
        _download(name, named, folder, progress)
    files = find_idx(folder, named.prefix)
    for path in files.values():
        _verify(name, named, path)
    x_train, y_train = read_part(files, "train")
    x_test, y_test = read_part(files, "test")
    if named.transposed:
        x_train, x_test = (x.transpose(0, 2, 1).copy() for x in (x_train, x_test))
    labels = [y.astype(np.int64) - named.first_label for y in (y_train, y_test)]
    for part in labels:
        if part.min() < 0 or part.max() >= len(named.class_names):
            raise UserError(
                f"The data set {name} in '{folder}' holds a label out of range; "
                f"expected {len(named.class_names)} classes: replace its files."
            )
    return Dataset(
        name=name,
        x_train=x_train,
        y_train=labels[0],
        x_test=x_test,
        y_test=labels[1],
        source=str(folder),
        checksum=content_checksum(x_train, labels[0], x_test, labels[1]),
        class_names=named.class_names,
    )


def _is_whole(folder: Path, named: NamedSet, complain: bool) -> bool:
    """Say whether a folder holds the four files.

    Raises `UserError` where one is missing, if `complain`; else a download brings what
    an interrupted one left.
    """
    try:
        return folder.is_dir() and find_idx(folder, named.prefix) is not None
    except UserError:
        if complain:
            raise
        return False


def _download(name: str, named: NamedSet, folder: Path, progress: bool) -> None:
    try:
        if named.archive is not None:
            _download_archive(named, folder, progress)
        for file, md5 in named.checksums.items():
            if _is_published(folder / file, md5):
                continue
            addresses = [address + file for address in named.addresses]
            fetch(addresses, folder / file, None, md5, progress=progress)
    except FetchError as error:
        raise UserError(
            f"The data set {name} is not in '{folder}' and the download failed "
            f"({error}); expected its four IDX files: put them there, or name their "
            "folder with --data-dir (make: DATA_DIR=)."
        ) from error


def _md5(path: Path) -> str:
    content = read_bytes(path, LARGEST_BYTES)
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _is_published(path: Path, md5: str) -> bool:
    """Say whether a file is there, can be read, and has that MD5."""
    try:
        return _md5(path) == md5
    except (OSError, ValueError):
        return False


def _download_archive(named: NamedSet, folder: Path, progress: bool) -> None:
    path = folder / "archive.zip"
    fetch(named.addresses, path, None, named.archive, progress=progress)
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            file = Path(member).name
            if file.startswith(named.prefix) and file.endswith("ubyte.gz"):
                with replacing(folder / file) as temporary:
                    temporary.write_bytes(archive.read(member))
    path.unlink()


def _verify(name: str, named: NamedSet, path: Path) -> None:
    expected = named.checksums.get(path.name)
    if expected is None:
        return
    try:
        found = _md5(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"The file '{path}' of {name} cannot be read ({reason_of(error)}); "
            "expected it as published: replace it."
        ) from error
    if found != expected:
        raise UserError(
            f"The file '{path}' is not that of {name} as published; expected MD5 "
            f"{expected}: replace it. Received: {found}"
        )
