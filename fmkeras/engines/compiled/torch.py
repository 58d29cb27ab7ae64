"""Steps of any model on torch: traced once to a flat graph, as our own are."""

import itertools
import logging
from collections.abc import Callable

import keras
import numpy as np
import torch
from keras import ops

from fmkeras.engines.compiled.base import CompiledEngine, compute_step
from fmkeras.engines.engine import evaluation_batch
from fmkeras.engines.refusals import not_traced, refused
from fmkeras.engines.torch.adam import fuse_adam
from fmkeras.engines.torch.engine import NotTraceable, trace_step, write_values
from fmkeras.engines.torch.fusion import FusionPlan
from fmkeras.engines.torch.inductor import compile_graph
from fmkeras.engines.torch.layout import to_output_first
from fmkeras.keras_internals import is_python_rate
from fmkeras.seeds import random_generator

_log = logging.getLogger(__name__)


class TorchCompiledEngine(CompiledEngine):
    """A graph belongs to one batch size: the last, shorter batch has its own."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(model)
        self._graphs: dict[tuple, Callable] = {}
        self._fusible = False
        self._fused = None

    def check(self) -> None:
        super().check()
        if what := _not_of_a_graph(self.model.optimizer):
            raise refused(self.model, f"an optimizer without {what} on torch", what)

    def _build(self, train) -> None:
        super()._build(train)
        self._fused = fuse_adam(self.model.optimizer, l2=0.0)
        for variable in self._variables()[0] + self._variables()[2]:
            to_output_first(variable)

    def to_device(self, arrays):
        device = ops.zeros(()).device
        return [
            torch.from_numpy(np.ascontiguousarray(part)).to(device)
            for part in arrays.parts()
        ]

    def seed(self, seed, epoch):
        torch.manual_seed(int(random_generator("dropout", seed, epoch).integers(2**31)))

    def train_steps(self, data, batches):
        return self._run("train", self._train_step, data, batches)

    def evaluate_steps(self, data, batches):
        return self._run("evaluate", self._evaluate_step, data, batches)

    def predict(self, images, batch_size=None):
        batch_size = batch_size or evaluation_batch(self.model)
        variables = self.model.trainable_variables + self.model.non_trainable_variables
        weights = [variable.value.detach() for variable in variables]
        outputs = []
        for start in range(0, len(images), batch_size):
            batch = np.ascontiguousarray(images[start : start + batch_size])
            batch = torch.from_numpy(batch).to(ops.zeros(()).device)
            try:
                with torch.no_grad():
                    key = ("predict", len(batch), batch.dtype)
                    graph = self._graph(key, self._predict_step, weights, [batch])
                    given = graph(*weights, batch)
            except NotTraceable as error:
                _log.info("Keras predicts with %s: %s", self.model.name, error)
                return self.model.predict(images, batch_size=batch_size, verbose=0)
            if not isinstance(given, torch.Tensor):
                # A list or dictionary of outputs.
                return self.model.predict(images, batch_size=batch_size, verbose=0)
            outputs.append(ops.convert_to_numpy(given))
        return np.concatenate(outputs)

    def _variables(self) -> list[list[keras.Variable]]:
        optimizer = self.model.optimizer
        return [
            self.model.trainable_variables,
            self.other_variables(),
            list(optimizer.variables),
        ]

    def _run(self, kind, step, data, batches):
        numbers = torch.from_numpy(batches).to(data[0].device)
        losses = torch.zeros(len(numbers), device=numbers.device)
        trains = kind == "train"
        groups = self._variables()[: 3 if trains else 2]
        with torch.no_grad():
            state = [[v.value.detach() for v in group] for group in groups]
            flat = [tensor for group in state for tensor in group]
            updates = itertools.repeat(None)
            if trains and self._fused:
                updates = self._fused.updates(len(numbers))
            for which, loss, update in zip(numbers, losses, updates, strict=False):
                batch = [part.index_select(0, which) for part in data]
                key = (kind, len(which), *(part.dtype for part in batch))
                try:
                    graph = self._graph(key, step, *state, batch, [loss])
                except NotTraceable as error:
                    raise not_traced(self.model, error) from error
                answer = graph(*flat, *batch, loss)
                if update:
                    update(answer)
        return losses.cpu().numpy()

    def _graph(self, key: tuple, step: Callable, *groups) -> Callable:
        if key not in self._graphs:
            run = None
            if self.model.jit_compile is True and key[0] == "train":
                self._fusible = groups[0][0].device.type == "cpu"
                inputs = [tensor for group in groups for tensor in group]
                run = compile_graph(trace_step(step, groups), inputs)
                self._fusible = False
            self._graphs[key] = run or trace_step(step, groups).forward
        return self._graphs[key]

    def _train_step(self, trainable, others, slots, batch, row):
        leaves = [tensor.detach().requires_grad_(True) for tensor in trainable]
        loss, new_others = self._compute(leaves, others, batch, training=True)
        gradients = torch.autograd.grad(loss, leaves, materialize_grads=True)
        with torch.no_grad():
            write_values(others, new_others)
            row[0].copy_(loss.detach() * len(batch[0]))
            if self._fused:
                return gradients
            new_trainable, new_slots = self.model.optimizer.stateless_apply(
                slots, list(gradients), trainable
            )
            write_values(trainable, new_trainable)
            write_values(slots, new_slots)
        return ()

    def _evaluate_step(self, trainable, others, batch, row):
        with torch.no_grad():
            loss, new_others = self._compute(trainable, others, batch, training=False)
            write_values(others, new_others)
            row[0].copy_(loss * len(batch[0]))
        return ()

    def _predict_step(self, weights, batch):
        variables = self.model.trainable_variables + self.model.non_trainable_variables
        mapping = zip(variables, weights, strict=True)
        with torch.no_grad(), keras.StatelessScope(list(mapping)):
            return FusionPlan(self.model, training=False)(batch[0])

    def _compute(self, trainable, others, batch, training):
        collected = self.other_variables()
        mapping = [
            *zip(self.model.trainable_variables, trainable, strict=True),
            *zip(collected, others, strict=True),
        ]
        loss, new_others = compute_step(
            self.model,
            FusionPlan(self.model, training, self._fusible),
            mapping,
            batch,
            training,
            collected,
        )
        return loss, [tensor.detach() for tensor in new_others]


def _not_of_a_graph(optimizer: keras.optimizers.Optimizer) -> str | None:
    """Return what of an optimizer is no part of a traced step, in words."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return "the scaled loss of LossScaleOptimizer"
    for name in ("loss_scale_factor", "gradient_accumulation_steps"):
        if getattr(optimizer, name):
            return name
    if optimizer.use_ema and optimizer.ema_overwrite_frequency:
        return "ema_overwrite_frequency"
    # A graph would keep the first number.
    return "a rate that Python computes" if is_python_rate(optimizer) else None
