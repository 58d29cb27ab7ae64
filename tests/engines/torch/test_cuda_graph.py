"""Recording a step, where a stand-in for CUDA records: it calls the step again."""

import numpy as np
import pytest
import torch

from fmkeras.datasets.garments.draw import draw_garments
from fmkeras.datasets.splits import Subset
from fmkeras.engines.torch import cuda_graph
from fmkeras.engines.torch import engine as torch_engine
from fmkeras.engines.torch.cuda_graph import WARM_UP, RecordedStep
from fmkeras.engines.torch.engine import TorchEngine
from fmkeras.models import build_model
from fmkeras.recipes import Recipe
from fmkeras.training.builders import build_augmentation, build_loss, build_optimizer

pytestmark = pytest.mark.torch_engine


class StandIn:
    """As CUDA: the same tensors at each launch, and nothing run while recording."""

    def __init__(self, state):
        self.state = state
        self.recordings = 0
        self.launches = 0

    def __call__(self, run):
        self.recordings += 1
        before = [tensor.clone() for tensor in self.state()]
        results = [torch.zeros_like(result) for result in run()]
        for tensor, value in zip(self.state(), before, strict=True):
            tensor.copy_(value)

        def launch():
            self.launches += 1
            for result, value in zip(results, run(), strict=True):
                result.copy_(value)

        return launch, results


def step(weight, batch, out):
    weight.add_(batch.mean())
    out.copy_(batch.sum())
    return [batch * weight]


def run_steps(function, weights, count=6):
    """Take `count` steps on the first of the weights, from the sixth on the last."""
    found = []
    for number in range(count):
        weight = weights[0 if number < 5 else -1]
        out = torch.zeros(())
        (result,) = function(weight, torch.full((3,), float(number)), out)
        found.append((result.clone(), out, weight.clone()))
    return found


def stand_in(monkeypatch, state):
    record = StandIn(state)
    monkeypatch.setattr(cuda_graph, "record_graph", record)
    return record


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=0)


def test_a_recorded_step_gives_what_the_step_gives(monkeypatch):
    weight = torch.ones(3)
    record = stand_in(monkeypatch, lambda: [weight])
    found = run_steps(RecordedStep(step, 1, 1), [weight])
    assert_equal(found, run_steps(step, [torch.ones(3)]))
    assert (record.recordings, record.launches) == (1, 6 - WARM_UP)


def test_a_step_whose_weights_have_moved_is_recorded_again(monkeypatch):
    weights = [torch.ones(3), torch.zeros(3)]
    record = stand_in(monkeypatch, lambda: weights)
    found = run_steps(RecordedStep(step, 1, 1), weights, 8)
    assert_equal(found, run_steps(step, [torch.ones(3), torch.zeros(3)], 8))
    assert record.recordings == 2


def test_a_step_that_cannot_be_recorded_runs_as_it_is(monkeypatch):
    def refuse(run):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(cuda_graph, "record_graph", refuse)
    with pytest.warns(RuntimeWarning, match=r"not permitted .* capturing\)") as caught:
        found = run_steps(RecordedStep(step, 1, 1), [torch.ones(3)], 7)
    assert len(caught) == 1
    assert_equal(found, run_steps(step, [torch.ones(3)], 7))


@pytest.mark.parametrize("optimizer", ["adam", "ranger21"])
def test_an_engine_trains_by_recorded_steps_as_without(monkeypatch, optimizer):
    recipe = Recipe(optimizer=optimizer, crop_padding=2, flip=True)
    part = Subset(*draw_garments(100, seed=0))
    record = stand_in(
        monkeypatch, lambda: [x for group in engine._state() for x in group]
    )
    # Else Inductor would choose other operations for one of them.
    monkeypatch.setattr(torch_engine, "compile_graph", lambda module, inputs: None)
    losses, weights = [], []
    for on_cpu in (True, False):
        monkeypatch.setattr(torch_engine, "_on_cpu", lambda answer=on_cpu: answer)
        model = build_model("lenet_relu", seed=0)
        engine = TorchEngine(
            model,
            build_optimizer(recipe, 14),
            build_loss(recipe),
            augmentation=build_augmentation(recipe),
            compile_step=True,
        )
        history = engine.fit(part, epochs=2, batch_size=16).history
        losses.append(history["loss"])
        weights.append(model.get_weights())
    # Of each epoch's seven steps the last is shorter, and not recorded.
    assert (record.recordings, record.launches) == (1, 12 - WARM_UP)
    np.testing.assert_array_equal(*losses)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
