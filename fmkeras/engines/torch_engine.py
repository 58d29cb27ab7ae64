"""The compiled steps on torch: the whole step traced once to one flat graph."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from keras.src.backend.torch.core import get_device
from torch.fx.experimental.proxy_tensor import make_fx

from fmkeras.engines.engine import Engine, count_confusion, one_hot_labels
from fmkeras.engines.torch_graph import drop_layout_copies
from fmkeras.pipeline import Part


@dataclass
class _Data:
    images: torch.Tensor
    one_hot: torch.Tensor
    labels: np.ndarray


class TorchEngine(Engine):
    """Keras's layer calls run once, while tracing; the steps run the graph alone.

    A graph belongs to one batch size: the last, shorter batch has its own.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._graphs: dict[tuple, Callable] = {}

    def _place(self, part: Part) -> _Data:
        one_hot = one_hot_labels(part.labels, self.num_classes)
        device = get_device()
        return _Data(
            torch.from_numpy(np.ascontiguousarray(part.images)).to(device),
            torch.from_numpy(one_hot).to(device),
            np.asarray(part.labels),
        )

    def _train_steps(self, data, batches, draws):
        draws = torch.from_numpy(draws).to(data.images.device)
        return self._run(self._train_step, "train", data, batches, draws)

    def _evaluate_steps(self, data, batches):
        return self._run(self._evaluate_step, "evaluate", data, batches)

    def _forward(self, images):
        images = torch.from_numpy(np.ascontiguousarray(images)).to(get_device())
        state = self._state()
        with torch.no_grad():
            graph = self._graph(
                ("predict", len(images)), self._predict_step, state, images
            )
            return graph(state, images).cpu().numpy()

    def _seed_backend(self, seed):
        torch.manual_seed(seed)

    def _run(self, step, kind, data, batches, *further):
        numbers = torch.from_numpy(batches).to(data.images.device)
        state = self._state()
        losses = torch.zeros(len(numbers), device=numbers.device)
        confusion = torch.zeros(
            (self.num_classes, self.num_classes), device=numbers.device
        )
        with torch.no_grad():
            # Indices, not images, go in: the whole data set is an input too.
            inputs = (state, confusion, data.images, data.one_hot)
            key = (kind, *numbers[0].shape, len(data.labels))
            rows = zip(numbers, losses, *further, strict=True)
            for number, row in enumerate(rows):
                if number == 0:
                    graph = self._graph(key, step, *inputs, *row)
                graph(*inputs, *row)
        return losses.cpu().numpy(), confusion.cpu().numpy()

    def _graph(self, key: tuple, step: Callable, *inputs) -> Callable:
        if key not in self._graphs:
            with torch.enable_grad():
                # Fake tensors: a trace neither trains nor draws random numbers.
                # make_fx counts the arguments of a bound method wrongly.
                trace = make_fx(lambda *args: step(*args), tracing_mode="fake")
                self._graphs[key] = drop_layout_copies(trace(*inputs))
        return self._graphs[key]

    def _state(self) -> list[list[torch.Tensor]]:
        """The variables' own tensors: the graph writes its results into them."""
        groups = [self.model.trainable_variables, self.model.non_trainable_variables]
        if self.optimizer is not None:
            groups.append(self.optimizer.variables)
        return [[v.value.detach() for v in group] for group in groups]

    def _train_step(self, state, confusion, images, one_hot, numbers, loss_sum, draws):
        trainable, others, slots = state
        leaves = [t.detach().requires_grad_(True) for t in trainable]
        targets = one_hot[numbers]
        batch = self._training_images(images[numbers], draws)
        logits, new_others = self._logits(leaves, others, batch, training=True)
        loss = self.loss(targets, logits)
        gradients = torch.autograd.grad(loss, leaves)
        with torch.no_grad():
            if self.l2:
                gradients = torch._foreach_add(gradients, trainable, alpha=self.l2)
            new_trainable, new_slots = self.optimizer.stateless_apply(
                slots, list(gradients), trainable
            )
            _write(trainable, new_trainable)
            _write(others, new_others)
            _write(slots, new_slots)
            loss_sum.copy_(loss.detach() * len(numbers))
            confusion.add_(count_confusion(targets, logits.detach()))

    def _evaluate_step(self, state, confusion, images, one_hot, numbers, loss_sum):
        targets = one_hot[numbers]
        with torch.no_grad():
            logits, _ = self._logits(*state[:2], images[numbers], training=False)
            loss_sum.copy_(self.loss(targets, logits) * len(numbers))
            confusion.add_(count_confusion(targets, logits))

    def _predict_step(self, state, images):
        with torch.no_grad():
            return self._logits(*state[:2], images, training=False)[0]

    def _logits(self, trainable, others, images, training):
        images = images.to(torch.float32).unsqueeze(-1)
        logits, others = self.model.stateless_call(
            trainable, others, images, training=training
        )
        return logits.to(torch.float32), others


def _write(old: list[torch.Tensor], new: list[torch.Tensor]) -> None:
    """Write new values into the tensors that hold the old ones."""
    for target, value in zip(old, new, strict=True):
        if target is not value:
            target.copy_(value)
