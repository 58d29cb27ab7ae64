"""From a data set to seeded splits, and the order of the images in each epoch."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from fmkeras.datasets.dataset import Dataset, content_checksum
from fmkeras.errors import UserError
from fmkeras.seeds import VERSION, random_generator

VALIDATION_SIZE = 5_000
RANDOM_VALIDATION_SIZE = 10_000


@dataclass(frozen=True)
class Subset:
    """Images, uint8 (n, height, width), with their labels, int64 (n,)."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class DataSplits:
    """A data set divided for one run; `validation` is None where all is trained on."""

    train: Subset
    validation: Subset | None
    test: Subset


def split_dataset(
    dataset: Dataset, seed: int, data_split: str = "holdout", streams: int = VERSION
) -> DataSplits:
    """Divide a data set, seeded, as a recipe's `data_split` says.

    holdout sets 5,000 training images aside for validation, or a tenth of a small
    data set, stratified: each class gives its share, to within one image. random sets
    10,000 aside, or a sixth, whatever their classes. full trains on all of them and
    validates on none; fashionnet trains on all of them and divides the test images at
    random, six tenths for validation, the others for the test. The same seed always
    gives the same images. `streams` is the definition of the random streams, as a
    record or card names it: older models held other images back. Raises `UserError`
    where nothing would be left.
    """
    train = Subset(dataset.x_train, dataset.y_train)
    test = Subset(dataset.x_test, dataset.y_test)
    if data_split == "full":
        return DataSplits(train, None, test)
    divided = test if data_split == "fashionnet" else train
    count = len(divided)
    if count < 2:
        raise UserError(
            "The data set is too small to split; expected at least 2 training "
            f"images, and as many to test. Received: {count}"
        )
    if data_split == "fashionnet":
        size = fashionnet_size(count)
        validation, test = _divide(test, size, seed, streams, stratified=False)
    elif data_split == "random":
        size = min(RANDOM_VALIDATION_SIZE, max(count // 6, 1))
        validation, train = _divide(train, size, seed, streams, stratified=False)
    else:
        size = min(VALIDATION_SIZE, max(count // 10, 1))
        validation, train = _divide(train, size, seed, streams)
    return DataSplits(train, validation, test)


def fashionnet_size(count: int) -> int:
    """Return how many of `count` test images choose the epoch by split fashionnet."""
    return count * 6 // 10


def limit_training(dataset: Dataset, count: int, seed: int) -> Dataset:
    """Return a data set with `count` of its training images, stratified and seeded.

    The test images stay. Raises `UserError` for more images than there are, or so few
    that fewer than two of a class are among them.
    """
    least = 2 * dataset.num_classes
    if not least <= count <= len(dataset.y_train):
        raise UserError(
            f"Bad limit of training images; expected {least} to "
            f"{len(dataset.y_train)}. Received: {count}"
        )
    if count == len(dataset.y_train):
        return dataset
    labels = dataset.y_train
    shuffled = random_generator("limit", seed).permutation(len(labels))
    chosen = np.sort(shuffled[_interleaved(labels[shuffled])][:count])
    x_train, y_train = dataset.x_train[chosen], labels[chosen]
    there = np.bincount(labels, minlength=dataset.num_classes)
    left = np.bincount(y_train, minlength=dataset.num_classes)
    needed = np.minimum(there, 2)
    rarest = int((left - needed).argmin())
    if left[rarest] < needed[rarest]:
        enough = math.ceil(needed[rarest] * len(labels) / there[rarest])
        raise UserError(
            f"Of so few training images {left[rarest]} would be of the class "
            f"'{dataset.class_names[rarest]}'; expected about {enough} images or more, "
            f"for {needed[rarest]} of that class. Received: {count}"
        )
    return dataclasses.replace(
        dataset,
        x_train=x_train,
        y_train=y_train,
        checksum=content_checksum(x_train, y_train, dataset.x_test, dataset.y_test),
        source=f"{dataset.source}, {count:,} of {len(labels):,} training images",
    )


def _divide(
    part: Subset, size: int, seed: int, streams: int, stratified: bool = True
) -> tuple[Subset, Subset]:
    """Return `size` images of `part` and the others, each in their order."""
    if streams == 1:
        generator = np.random.default_rng((seed, 0))
    else:
        generator = random_generator("split", seed)
    shuffled = generator.permutation(len(part))
    if stratified:
        shuffled = shuffled[_interleaved(part.labels[shuffled])]
    chosen, others = np.sort(shuffled[:size]), np.sort(shuffled[size:])
    return (
        Subset(part.images[chosen], part.labels[chosen]),
        Subset(part.images[others], part.labels[others]),
    )


def _interleaved(labels: np.ndarray) -> np.ndarray:
    """Return an order of `labels` of which every prefix is stratified."""
    # By rank within the class over the size of the class.
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(position, kind="stable")


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of `count` images in `epoch`, int32 (count,).

    It depends on (seed, epoch) alone, so a resumed run goes on as if never stopped.
    """
    generator = random_generator("order", seed, epoch)
    return generator.permutation(count).astype(np.int32)
