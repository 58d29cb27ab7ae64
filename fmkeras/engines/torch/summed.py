"""The update of a training on several devices: sum one bucket, then apply it."""

from collections.abc import Callable
from functools import partial

import torch

from fmkeras.engines.parallel.share import Share
from fmkeras.engines.parallel.torch import Bucket


class SummedUpdate:
    """Sums the gradients of all processes between a step's graph and its update.

    The moving averages of batch normalization travel with them: each process
    normalizes with the statistics of its own images, as torch's
    DistributedDataParallel does, and the averages are the mean over the processes,
    weighted by their images.
    """

    def __init__(self, engine) -> None:
        self._engine = engine
        # Whether training is frozen: the bucket, and the variables that are averaged.
        self._buckets: dict[bool, tuple[Bucket, list[int]]] = {}

    def pack(self, gradients, variables, updated, share: Share) -> list[torch.Tensor]:
        """Return the bucket of a step; called while its graph is traced.

        variables: the non-trainable ones. updated: their new values. What is no float,
        such as the state of a random generator, is equal in all processes.
        """
        averaged = []
        for index, (old, new) in enumerate(zip(variables, updated, strict=True)):
            if new is old:
                continue
            if new.is_floating_point():
                averaged.append(index)
            else:
                old.copy_(new)
        statistics = [updated[index] * share.weight for index in averaged]
        tensors = [*gradients, *statistics]
        self._buckets[self._engine.frozen] = Bucket(tensors), averaged
        return [Bucket.pack(tensors)]

    def updates(self, state, count: int) -> list[Callable]:
        """Return one function of a bucket for each of the next `count` steps."""
        fused = self._engine.fused_updates(count)
        return [partial(self._update, state, apply) for apply in fused]

    def _update(self, state, apply: Callable | None, results) -> None:
        (flat,) = results
        self._engine.processes.sum_in_place(flat)
        bucket, averaged = self._buckets[self._engine.frozen]
        tensors = bucket.unpack(flat)
        trainable, non_trainable, slots = state[:3]
        gradients, statistics = tensors[: len(trainable)], tensors[len(trainable) :]
        for index, value in zip(averaged, statistics, strict=True):
            non_trainable[index].copy_(value)
        if apply is None:
            self._engine.apply_gradients(trainable, slots, gradients)
        else:
            apply(gradients)
