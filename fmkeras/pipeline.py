"""From a data set to seeded splits, and the order of the images in each epoch."""

from dataclasses import dataclass

import numpy as np

from fmkeras.datasets.dataset import Dataset
from fmkeras.errors import UserError

VALIDATION_SIZE = 5_000


@dataclass(frozen=True)
class Part:
    """Images, uint8 (n, 28, 28), with their labels, int64 (n,)."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Split:
    """A data set's training images divided for one run, and its test images."""

    train: Part
    validation: Part
    test: Part


def split_dataset(
    dataset: Dataset, seed: int, validation_size: int = VALIDATION_SIZE
) -> Split:
    """Set `validation_size` training images aside, stratified by class and seeded.

    Each class gives its share, to within one image; the same seed always gives
    the same images. A data set too small for the usual 5,000 gives a tenth.
    Raises `UserError` where nothing would be left to train on.
    """
    count = len(dataset.y_train)
    validation_size = min(validation_size, max(count // 10, 1))
    if count < 2:
        raise UserError(
            "The data set is too small to split; expected at least 2 training "
            f"images. Received: {count}"
        )
    generator = np.random.default_rng((seed, 0))
    # Sorting by (rank within its class / size of the class) interleaves the classes,
    # so that every prefix is stratified.
    shuffled = generator.permutation(count)
    labels = dataset.y_train[shuffled]
    position = np.empty(count)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    shuffled = shuffled[np.argsort(position, kind="stable")]
    validation = np.sort(shuffled[:validation_size])
    train = np.sort(shuffled[validation_size:])
    return Split(
        Part(dataset.x_train[train], dataset.y_train[train]),
        Part(dataset.x_train[validation], dataset.y_train[validation]),
        Part(dataset.x_test, dataset.y_test),
    )


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of `count` images in `epoch`, int32 (count,).

    It depends on (seed, epoch) alone, so a resumed run goes on as if never stopped.
    """
    generator = np.random.default_rng((seed, 1, epoch))
    return generator.permutation(count).astype(np.int32)
