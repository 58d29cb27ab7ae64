"""One process of a training on several devices, which measures when it is told to.

`python -m fmkeras.benchmark.speed.replica MODEL` answers each line of its input with
one line of JSON:

    train STEPS BATCH   the seconds of so many steps of BATCH images over all processes
    sum TIMES           the seconds of summing a step's gradients so many times alone

The backend's own variables say which processes there are; without them it is one.
"""

import json
import sys
import time
from collections.abc import Callable

import keras
import numpy as np

from fmkeras.benchmark.speed.engines import RECIPE
from fmkeras.datasets.splits import Subset
from fmkeras.engines import create_engine, parallel
from fmkeras.training.builders import build_loss, build_network, build_optimizer


class Replica:
    """One network in our engine, and its share of every batch."""

    def __init__(self, name: str) -> None:
        self.processes = parallel.join()
        self.model = build_network(name, RECIPE, "float32", 0, {})
        self.engine = create_engine(
            self.model,
            build_optimizer(RECIPE, 1),
            build_loss(RECIPE),
            processes=self.processes,
        )
        self.epoch = 0

    def train(self, steps: int, batch: int) -> dict:
        """Train on noise, all steps in one call; return the seconds."""
        generator = np.random.default_rng(0)
        images = generator.integers(0, 256, (steps * batch, 28, 28), np.uint8)
        part = Subset(images, generator.integers(0, 10, len(images)))
        self.engine.steps_per_call = steps
        history = self.engine.fit(
            part, epochs=self.epoch + 1, initial_epoch=self.epoch, batch_size=batch
        )
        self.epoch += 1
        return {"seconds": history.history["seconds"][-1]}

    def sum(self, times: int) -> dict:
        """Sum a bucket of the step's size; return the bytes and the seconds."""
        sum_once = _SUMS[keras.backend.backend()](self.processes, self.bucket_size())
        sum_once()
        began = time.perf_counter()
        for _ in range(times):
            sum_once()
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "bytes": 4 * self.bucket_size()}

    def bucket_size(self) -> int:
        """Return how many numbers a step sums: gradients and moving averages."""
        averages = [
            v
            for v in self.model.non_trainable_variables
            if keras.backend.is_float_dtype(v.dtype)
        ]
        return sum(int(np.prod(v.shape)) for v in self.model.trainable_variables) + sum(
            int(np.prod(v.shape)) for v in averages
        )


def _torch_sum(processes, size: int) -> Callable[[], None]:
    import torch

    values = keras.ops.zeros(size)

    def sum_once():
        processes.sum_in_place(values)
        if values.is_cuda:
            torch.cuda.synchronize()

    return sum_once


def _tensorflow_sum(processes, size: int) -> Callable[[], None]:
    import tensorflow as tf

    values, compiled = tf.zeros(size), tf.function(processes.sum)
    return lambda: compiled(values).numpy()


def _jax_sum(processes, size: int) -> Callable[[], None]:
    import jax.numpy as jnp

    values = jnp.zeros(size)
    return lambda: processes.sum(values).block_until_ready()


_SUMS = {"torch": _torch_sum, "tensorflow": _tensorflow_sum, "jax": _jax_sum}


def main(name: str) -> None:
    """Answer the lines of the standard input until it ends."""
    replica = Replica(name)
    print(json.dumps({"processes": replica.processes.count}), flush=True)
    for line in sys.stdin:
        command, *numbers = line.split()
        answer = getattr(replica, command)(*map(int, numbers))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
