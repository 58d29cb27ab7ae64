"""Processes of tf.distribute, one device each; their variables are plain ones.

The environment is tensorflow's TF_CONFIG: JSON with the workers' addresses and the
index of this one. Of the strategy only its all-reduce is used: NCCL between GPUs, a
ring of gRPC between CPUs.
"""

import contextlib
import json
import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from fmkeras.engines.parallel.processes import Processes
from fmkeras.errors import PeerLost

# What a collective operation raises where another process is gone.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.UnavailableError,
)


def join() -> "TensorflowProcesses":
    """Join the workers that TF_CONFIG lists."""
    with _peers():
        return TensorflowProcesses()


class TensorflowProcesses(Processes):
    """The workers of a cluster."""

    def __init__(self) -> None:
        config = json.loads(os.environ["TF_CONFIG"])
        self.rank = int(config["task"]["index"])
        self.count = len(config["cluster"]["worker"])
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        self._total = tf.function(self.sum)

    def total(self, values):
        values = np.asarray(values, np.float64)
        # Of few lengths, since each is a graph of its own.
        padded = np.zeros(max(256, 1 << (values.size - 1).bit_length()))
        padded[: values.size] = values.ravel()
        with _peers():
            total = self._total(tf.constant(padded)).numpy()
        return total[: values.size].reshape(values.shape)

    @tf.autograph.experimental.do_not_convert
    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """Return the sum of a tensor over all processes; for use in a graph."""

        def all_reduce(own):
            context = tf.distribute.get_replica_context()
            # A tensor of this context's device, which the strategy asks for.
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(own))

        return self._strategy.run(all_reduce, args=(values,))

    def watch(self):
        return _peers()


def pack(tensors) -> tf.Tensor:
    """Return the values of tensors in one flat tensor, float32."""
    return tf.concat([tf.cast(tf.reshape(x, [-1]), tf.float32) for x in tensors], 0)


def unpack(flat: tf.Tensor, like) -> list[tf.Tensor]:
    """Return what `pack` has packed, in the static shapes and types of `like`."""
    parts = tf.split(flat, [int(np.prod(x.shape)) for x in like])
    return [
        tf.cast(tf.reshape(part, x.shape), x.dtype)
        for part, x in zip(parts, like, strict=True)
    ]


@contextlib.contextmanager
def _peers() -> Iterator[None]:
    try:
        yield
    except _LOST as error:
        raise PeerLost(error.message) from error
