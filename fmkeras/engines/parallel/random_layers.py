"""Layers that draw random numbers, computed for a share of a batch.

They draw for the whole batch and use their own rows of it. So an image has the same
dropout mask on one device and on several, and the generators of all devices, which
draw alike, stay in the same state.
"""

import contextlib
from collections.abc import Iterator

import keras
from keras import ops

from fmkeras.engines.parallel.share import Share
from fmkeras.keras_internals import layers_within


@contextlib.contextmanager
def drawing_for_whole_batch(model: keras.Model, share: Share) -> Iterator[None]:
    """Let the model's random layers draw for a whole batch while they are called.

    Each of them is given its rows inside a batch of zeros. That is right for layers
    that change each image by itself, as all those of Keras do.
    """
    changed = []
    if not share.is_whole:
        changed = [layer for layer in layers_within(model) if draws(layer)]
    for layer in changed:
        # Not by `setattr`, which would track it as a part of the layer.
        vars(layer)["call"] = _for_whole_batch(layer.call, share)
    try:
        yield
    finally:
        for layer in changed:
            del vars(layer)["call"]


def draws(layer: keras.Layer) -> bool:
    """Return whether a layer has a random generator of its own."""
    return any(
        isinstance(value, keras.random.SeedGenerator) for value in vars(layer).values()
    )


def _for_whole_batch(call, share: Share):
    def of_rows(rows, *args, **kwargs):
        sides = [(share.start, share.count - share.stop)]
        sides += [(0, 0)] * (len(rows.shape) - 1)
        return call(ops.pad(rows, sides), *args, **kwargs)[share.rows]

    return of_rows
