"""The engine on torch: the whole step is traced once, to one flat graph."""

import itertools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import torch
from keras import ops
from torch.fx.experimental.proxy_tensor import make_fx

from fmkeras.datasets.splits import Subset
from fmkeras.engines.engine import Engine, one_hot_labels
from fmkeras.engines.parallel.share import Share
from fmkeras.engines.refusals import not_traced
from fmkeras.engines.structure import class_scores, pack_images
from fmkeras.engines.torch.adam import fuse_adam
from fmkeras.engines.torch.cuda_graph import RecordedStep
from fmkeras.engines.torch.fusion import FusionPlan
from fmkeras.engines.torch.inductor import compile_graph
from fmkeras.engines.torch.layout import to_output_first
from fmkeras.engines.torch.loss import lower_loss
from fmkeras.engines.torch.sampling import sample_images
from fmkeras.engines.torch.simplify import simplify
from fmkeras.engines.torch.summed import SummedUpdate
from fmkeras.errors import UserError

_log = logging.getLogger(__name__)


@dataclass
class _Data:
    images: torch.Tensor
    one_hot: torch.Tensor
    labels: np.ndarray


class NotTraceable(Exception):
    """A step that `make_fx` cannot trace, because of a layer of its model."""


class TorchEngine(Engine):
    """Keras's layers are called once, while tracing; the steps run only the graph.

    Each batch size has a graph of its own, and so has the last, shorter batch.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._graphs: dict[tuple, Callable] = {}
        self._fusible = False
        if self.loss is not None:
            self._loss = lower_loss(self.loss)
            self._training_loss = lower_loss(self.loss, self._class_weights())
        self._fused = None
        if self.optimizer is not None:
            self._summed = SummedUpdate(self)
            self._fused = fuse_adam(self.optimizer, self.l2)
            for variable in self.model.trainable_variables + self.optimizer.variables:
                to_output_first(variable)

    def _to_device(self, part: Subset) -> _Data:
        one_hot = one_hot_labels(part.labels, self.num_classes)
        device = _device()
        return _Data(
            torch.from_numpy(np.ascontiguousarray(part.images)).to(device),
            torch.from_numpy(one_hot).to(device),
            np.asarray(part.labels),
        )

    def _train_steps(self, data, batches, params):
        params = torch.from_numpy(params).to(data.images.device)
        kind = "frozen" if self.frozen else "train"
        return self._run(self._train_step, kind, data, batches, params)

    def _gradients_of(self, data, indices, params):
        chosen = torch.from_numpy(indices).to(data.images.device)
        batch = [x.index_select(0, chosen) for x in (data.images, data.one_hot)]
        batch.append(torch.from_numpy(params).to(data.images.device))
        trainable, non_trainable, _, teacher = self._state()
        with torch.enable_grad():
            share = Share.whole(len(indices))
            return self._gradients(
                trainable, non_trainable, teacher, batch, not self.frozen, share
            )[0]

    def _evaluate_steps(self, data, batches):
        return self._run(self._evaluate_step, "evaluate", data, batches)

    def _forward(self, images):
        images = torch.from_numpy(np.ascontiguousarray(images)).to(_device())
        state = self._state()[:2]
        with torch.no_grad():
            graph = self._predict_graph(state, images)
            return graph(*state[0], *state[1], images).cpu().numpy()

    def _predict_graph(self, state, images) -> Callable:
        try:
            key = ("predict", len(images))
            return self._graph(key, self._predict_step, *state, [images])
        except NotTraceable as error:
            _log.info("Keras predicts with %s: %s", self.model.name, error)
            return self._keras_predict

    def _keras_predict(self, *tensors):
        """Predict layer by layer, as Keras does, with a model that cannot be traced."""
        images = tensors[-1].to(torch.float32).unsqueeze(-1)
        outputs = self.model(pack_images(self.model, images), training=False)
        return class_scores(self.model, outputs).to(torch.float32)

    def _sample(self, images, maps, bilinear):
        return sample_images(images, maps, bilinear)

    def _seed_backend(self, seed):
        torch.manual_seed(seed)

    def random_state(self):
        generator = self._generator()
        return generator.get_state().numpy().copy()

    def set_random_state(self, state):
        self._generator().set_state(torch.from_numpy(np.array(state, np.uint8)))

    def _class_weights(self) -> torch.Tensor | None:
        if self.class_weights is None:
            return None
        return torch.from_numpy(self.class_weights).to(_device())

    def _generator(self) -> torch.Generator:
        """Return the generator that dropout draws from, that of the device."""
        device = _device()
        if device.type == "cuda":
            torch.cuda.init()
            return torch.cuda.default_generators[device.index or 0]
        return torch.default_generator

    def _run(self, step, kind, data, batches, *further):
        trains = kind != "evaluate"
        share = self.processes.share(batches.shape[1])
        own = batches[:, share.rows]
        if not (trains and self.augmentation.mixes):
            # An image is mixed with another, which another process may have.
            batches, further = own, [values[:, share.rows] for values in further]
        indices = torch.from_numpy(batches).to(data.images.device)
        losses = torch.zeros(len(indices), device=indices.device)
        predicted = torch.zeros(own.shape, dtype=torch.int64, device=indices.device)
        step = partial(step, share=share)
        if kind == "frozen":
            step = partial(step, training=False)
        with torch.no_grad():
            state = self._state() if trains else self._state()[:2]
            flat = [tensor for group in state for tensor in group]
            updates = itertools.repeat(None)
            if trains:
                updates = self._updates(state, len(indices))
            # Views of one value a step, which the graph writes its results into.
            results = zip(losses, predicted, strict=True)
            for chosen, outputs, update, *more in zip(
                indices, results, updates, *further, strict=False
            ):
                batch = [x.index_select(0, chosen) for x in (data.images, data.one_hot)]
                batch += more
                try:
                    graph = self._graph((kind, share), step, *state, batch, outputs)
                except NotTraceable as error:
                    raise not_traced(self.model, error) from error
                gradients = graph(*flat, *batch, *outputs)
                if update:
                    update(gradients)
        confusion = np.zeros((self.num_classes, self.num_classes), np.int64)
        if share.weight:
            np.add.at(confusion, (data.labels[own], predicted.cpu().numpy()), 1)
        return self._sum_figures(losses.cpu().numpy(), confusion)

    def _updates(self, state, count: int) -> Iterable[Callable | None]:
        """Return what makes the update of each of `count` steps from their results.

        None where a step's graph makes it itself.
        """
        if self.processes.count > 1:
            return self._summed.updates(state, count)
        return self.fused_updates(count)

    def fused_updates(self, count: int) -> list[Callable | None]:
        """Return the fused update of each of the next `count` steps, or None."""
        return self._fused.updates(count) if self._fused else [None] * count

    def apply_gradients(self, trainable, slots, gradients) -> None:
        """Make the optimizer's update, as a graph of its own."""
        groups = trainable, slots, gradients
        graph = self._graph(("update", None), self._update_step, *groups)
        graph(*trainable, *slots, *gradients)

    def _graph(self, key: tuple, step: Callable, *groups) -> Callable:
        """Return the graph of `step`, traced at the first call with this `key`.

        `step` takes groups of tensors, the graph the tensors of all groups.
        """
        if key not in self._graphs:
            run = None
            # Compiling another graph for the last, short batch takes too long.
            if self.compile_step and key[0] == "train" and self._is_full(key[1]):
                run = self._compile(step, groups)
            self._graphs[key] = run or trace_step(step, groups).forward
        return self._graphs[key]

    def _is_full(self, share: Share) -> bool:
        return share.count == self.batch_size

    def _compile(self, step: Callable, groups) -> Callable | None:
        """Compile the step, and on a GPU record it; return None where that fails."""
        on_cpu = _on_cpu()
        inputs = [tensor for group in groups for tensor in group]
        self._fusible = on_cpu
        try:
            run = compile_graph(trace_step(step, groups), inputs)
        finally:
            self._fusible = False
        if on_cpu:
            return run
        # The tensors of the state are the same at each call, those of a batch are not.
        *state, _, outputs = groups
        kept = sum(map(len, state))
        return RecordedStep(run or trace_step(step, groups).forward, kept, len(outputs))

    def _state(self) -> list[list[torch.Tensor]]:
        """Return the tensors of the variables, which the graph updates in place."""
        groups = self.variables()
        if self.optimizer is not None:
            groups.append(self.teacher.variables() if self.teacher else [])
        return [[v.value.detach() for v in group] for group in groups]

    def _train_step(
        self,
        trainable,
        non_trainable,
        slots,
        teacher,
        batch,
        outputs,
        share=None,
        training=True,
    ):
        share = share or Share.whole(len(batch[0]))
        loss_sum, predicted = outputs
        gradients, loss, logits, updated = self._gradients(
            trainable, non_trainable, teacher, batch, training, share
        )
        with torch.no_grad():
            gradients = self.gradient_rules.apply(gradients, self.model)
            loss_sum.copy_(loss.detach() * share.count)
            predicted.copy_(logits.detach().argmax(-1))
            if self.processes.count > 1:
                return self._summed.pack(gradients, non_trainable, updated, share)
            write_values(non_trainable, updated)
            if self._fused:
                return gradients
            self._update_step(trainable, slots, gradients)
        return ()

    def _update_step(self, trainable, slots, gradients):
        with torch.no_grad():
            if self.l2:
                gradients = torch._foreach_add(gradients, trainable, alpha=self.l2)
            new_trainable, new_slots = self.optimizer.stateless_apply(
                slots, list(gradients), trainable
            )
            write_values(trainable, new_trainable)
            write_values(slots, new_slots)
        return ()

    def _gradients(self, trainable, non_trainable, teacher, batch, training, share):
        """Return gradients, loss, logits and new non-trainable values of a share."""
        images, targets, params = batch
        leaves = [t.detach().requires_grad_(True) for t in trainable]
        changed, targets = self.augmented(images, targets, params)
        if len(changed) > share.stop - share.start:
            changed, targets = changed[share.rows], targets[share.rows]
        logits, updated = self._logits(leaves, non_trainable, changed, training, share)
        loss = self._training_loss(targets, logits)
        if self.teacher:
            teacher_outputs = self._teacher_outputs(teacher, changed)
            loss = self.teacher.loss(loss, logits, teacher_outputs)
        if not share.is_whole:
            # The gradients of all shares add up to those of the mean over the batch.
            loss = loss * share.weight
        return torch.autograd.grad(loss, leaves), loss, logits, updated

    def _teacher_outputs(self, values, images):
        images = images.to(torch.float32).unsqueeze(-1)
        mapping = zip(self.teacher.variables(), values, strict=True)
        with torch.no_grad(), keras.StatelessScope(list(mapping)):
            return FusionPlan(self.teacher.model, training=False)(images)

    def _evaluate_step(self, trainable, non_trainable, batch, outputs, share):
        images, targets = batch
        loss_sum, predicted = outputs
        with torch.no_grad():
            logits, _ = self._logits(trainable, non_trainable, images, training=False)
            images_in_all = share.weight * share.count
            loss_sum.copy_(self._loss(targets, logits) * images_in_all)
            predicted.copy_(logits.argmax(-1))
        return ()

    def _predict_step(self, trainable, non_trainable, batch):
        with torch.no_grad():
            return self._logits(trainable, non_trainable, batch[0], training=False)[0]

    def _logits(self, trainable, non_trainable, images, training, share=None):
        images = images.to(torch.float32).unsqueeze(-1)
        variables = self.variables()
        mapping = [
            *zip(variables[0], trainable, strict=True),
            *zip(variables[1], non_trainable, strict=True),
        ]
        share = None if share is None or share.is_whole else share
        with keras.StatelessScope(mapping) as scope:
            outputs = FusionPlan(self.model, training, self._fusible, share)(images)
        logits = class_scores(self.model, outputs)
        non_trainable = [scope.get_current_value(v) for v in variables[1]]
        return logits.to(torch.float32), non_trainable


def _device() -> torch.device:
    """Return the device on which Keras places new tensors."""
    return ops.zeros(()).device


def _on_cpu() -> bool:
    return _device().type == "cpu"


def trace_step(step: Callable, groups) -> torch.fx.GraphModule:
    """Return the graph of `step`; its inputs are the tensors of all groups in turn."""
    ends = list(itertools.accumulate(map(len, groups)))

    def flat_step(*flat):
        starts = [0, *ends[:-1]]
        return step(*(flat[a:b] for a, b in zip(starts, ends, strict=True)))

    with torch.enable_grad():
        # With fake tensors a trace neither trains nor draws random numbers.
        trace = make_fx(flat_step, tracing_mode="fake", _allow_non_fake_inputs=True)
        try:
            module = trace(*(tensor for group in groups for tensor in group))
        except UserError:
            raise
        except Exception as error:  # a layer may raise any error
            raise NotTraceable(str(error) or type(error).__name__) from error
    return simplify(module)


def write_values(old: list[torch.Tensor], new: list[torch.Tensor]) -> None:
    """Copy the new values into the old tensors."""
    for target, value in zip(old, new, strict=True):
        if target is not value:
            target.copy_(value)
