"""Named random streams: each use of chance has a generator that nothing else shares."""

import hashlib

import numpy as np

# What each stream decides. A stream's name is part of its key, so that no two names
# share numbers, whatever the indices behind them.
STREAMS = {
    "split": "which images are validation images",
    "limit": "which training images are used where not all are",
    "weights": "initial weights, and the state of dropout layers before training",
    "order": "the order of the training images in an epoch",
    "dropout": "the dropout masks of an epoch",
    "augmentation": "how each training image is changed in an epoch",
    "search": "the values that a trial of a search takes",
    "test-images": "which images of data without a test part are tested",
    "bootstrap": "the resampled test images behind an interval",
}
# Records say which definition of the streams they used. 1: tuples such as (seed, 2),
# where the dropout of the first epoch shared the stream of the initial weights.
VERSION = 2


def random_generator(stream: str, seed: int, *indices: int) -> np.random.Generator:
    """Return the generator of one stream: the same arguments, the same numbers.

    `stream` is a key of `STREAMS`; `indices` tell generators of one stream apart, such
    as the epoch. The key is a SHA-256 of all of them: none is the beginning of another.
    Raises `ValueError` for an unknown stream or a negative seed.
    """
    return np.random.default_rng(stream_seed(stream, seed, *indices))


def stream_seed(stream: str, seed: int, *indices: int) -> int:
    """Return the 256-bit key of a stream, for generators that are not NumPy's."""
    if stream not in STREAMS:
        raise ValueError(
            f"Unknown random stream; expected one of {', '.join(STREAMS)}. "
            f"Received: {stream!r}"
        )
    if seed < 0 or any(index < 0 for index in indices):
        raise ValueError(
            "Seeds and indices of random streams must be 0 or more. "
            f"Received: {(seed, *indices)}"
        )
    key = "/".join(map(str, (stream, int(seed), *map(int, indices))))
    return int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
