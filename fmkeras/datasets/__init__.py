"""The data sets: `fashion-mnist`, the same as `csv`, and `garments`, drawn here."""

import os

from fmkeras.datasets.csv_file import load_csv
from fmkeras.datasets.data_report import DataReport, describe_data
from fmkeras.datasets.dataset import Dataset
from fmkeras.datasets.fashion_mnist import DataNotFound, load_fashion_mnist
from fmkeras.datasets.garments.draw import load_garments
from fmkeras.errors import UserError

__all__ = [
    "DATASET_NAMES",
    "DataNotFound",
    "DataReport",
    "Dataset",
    "describe_data",
    "load_dataset",
]

DATASET_NAMES = ("fashion-mnist", "csv", "garments")


def load_dataset(
    name: str,
    data_dir: str | os.PathLike | None = None,
    *,
    seed: int = 0,
    train_size: int | None = None,
    test_size: int | None = None,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """Load or draw a data set: uint8 images (n, 28, 28) and int64 labels (n,).

    Args:
        name: one of `DATASET_NAMES`.
        data_dir: for `fashion-mnist` the folder of its four files, looked for in
            the usual places where None; for `csv` the folder of the training and the
            test file, or both as `TRAIN.csv,TEST.csv`.
        seed, train_size, test_size: of `garments`; 12,000 and 2,000 images by default.
        download: whether Fashion-MNIST may be downloaded where it is not found.
        progress: whether a download shows its progress bar.

    Raises `UserError` for an unknown name, an argument that the data set does not
    take, and files that are missing or wrong; `DataNotFound`, a kind of it, where
    Fashion-MNIST is nowhere to be had.
    """
    if name not in DATASET_NAMES:
        raise UserError(
            f"Unknown data set; expected one of {', '.join(DATASET_NAMES)}: give one "
            f"of these. Received: {name!r}"
        )
    if name == "garments":
        if data_dir is not None:
            raise UserError(
                "The data set 'garments' is drawn and reads no files; leave --data-dir "
                f"(make: DATA_DIR=) out. Received: '{data_dir}'"
            )
        return load_garments(seed, train_size, test_size)
    if train_size is not None or test_size is not None:
        raise UserError(
            f"The data set '{name}' has the size of its files; only 'garments' takes "
            f"one: leave it out. Received: {train_size} and {test_size}"
        )
    if name == "csv":
        return load_csv(data_dir)
    return load_fashion_mnist(data_dir, download=download, progress=progress)
