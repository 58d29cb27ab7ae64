"""The data sets: Fashion-MNIST, its kin, drawn garments, and files of your own."""

import os
import re

from fmkeras.datasets.csv_file import load_csv
from fmkeras.datasets.data_report import DataReport, describe_data
from fmkeras.datasets.dataset import Dataset
from fmkeras.datasets.fashion_mnist import DataNotFound, load_fashion_mnist
from fmkeras.datasets.garments.draw import load_garments
from fmkeras.datasets.named import NAMED, load_named
from fmkeras.datasets.own.load import is_path, load_own, refuse_picture_arguments
from fmkeras.errors import UserError, did_you_mean
from fmkeras.files.paths import path_text

__all__ = [
    "DATASET_NAMES",
    "DataNotFound",
    "DataReport",
    "Dataset",
    "describe_data",
    "load_dataset",
    "plain_data_name",
]

DATASET_NAMES = ("fashion-mnist", "csv", "garments", *NAMED)


def plain_data_name(name: str) -> str:
    """Return a data set's name as `DATASET_NAMES` has it, another text as it is.

    Capitals count for nothing, nor do spaces and underscores in place of dashes, unless
    there is a path of that name.
    """
    plain = re.sub(r"[\s_]+", "-", name.strip().lower())
    return plain if plain in DATASET_NAMES and not os.path.exists(name) else name


def load_dataset(
    name: str | os.PathLike,
    data_dir: str | os.PathLike | None = None,
    *,
    seed: int = 0,
    train_size: int | None = None,
    test_size: int | None = None,
    resize: str = "stretch",
    skip_bad: bool = False,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """Load or draw a data set: uint8 images (n, 28, 28) and int64 labels (n,).

    Args:
        name: one of `DATASET_NAMES` (see `plain_data_name`), or the path of data of
            your own: a folder of pictures, IDX, NPZ or CSV files (see
            `own.load.load_own`).
        data_dir: of a name, the folder of its files, looked for in the usual places
            where None; for `csv` the folder of the training and the test file, or
            both as `TRAIN.csv,TEST.csv`.
        seed: of drawing `garments`, or of choosing the test images of your own data.
        train_size, test_size: of `garments`; 12,000 and 2,000 images by default.
        resize, skip_bad: how pictures of your own become 28 x 28, `stretch` or
            `predict`, and whether those that cannot be read are left out.
        download: whether what is not found may be downloaded.
        progress: whether a download shows its progress bar.

    Raises `UserError` for an unknown name, an argument that the data set does not
    take, and files that are missing or wrong; `DataNotFound`, a kind of it, where
    Fashion-MNIST is nowhere to be had.
    """
    name = plain_data_name(path_text(name, "A data set"))
    if data_dir is not None:
        data_dir = path_text(data_dir, "The folder of a data set")
    if name not in DATASET_NAMES:
        if not is_path(name):
            raise UserError(
                f"Unknown data set; expected one of {', '.join(DATASET_NAMES)}, or the "
                f"path of your own: give one of these."
                f"{did_you_mean(name, DATASET_NAMES)} Received: {name!r}"
            )
        _refuse_sizes(name, train_size, test_size)
        if data_dir is not None:
            raise UserError(
                "The data is given by its path; leave --data-dir (make: DATA_DIR=) "
                f"out. Received: '{name}' and '{data_dir}'"
            )
        return load_own(
            name, seed=seed, resize=resize, skip_bad=skip_bad, progress=progress
        )
    if resize not in (None, "stretch") or skip_bad:
        raise refuse_picture_arguments(name, resize, skip_bad)
    if name == "garments":
        if data_dir is not None:
            raise UserError(
                "The data set 'garments' is drawn and reads no files; leave --data-dir "
                f"(make: DATA_DIR=) out. Received: '{data_dir}'"
            )
        return load_garments(seed, train_size, test_size)
    _refuse_sizes(name, train_size, test_size)
    if name in NAMED:
        return load_named(name, data_dir, download=download, progress=progress)
    if name == "csv":
        return load_csv(data_dir)
    return load_fashion_mnist(data_dir, download=download, progress=progress)


def _refuse_sizes(name: str, train_size: int | None, test_size: int | None) -> None:
    if train_size is not None or test_size is not None:
        raise UserError(
            f"The data set '{name}' has the size of its files; only 'garments' takes "
            f"one: leave it out. Received: {train_size} and {test_size}"
        )
