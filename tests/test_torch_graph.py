"""Leaving layout copies out of a traced step changes no value."""

import numpy as np
import pytest
import torch

from fmkeras.datasets.garments import draw_garments
from fmkeras.engines import torch_engine
from fmkeras.models import build_model, list_models, model_info
from fmkeras.objectives import build_loss, build_optimizer
from fmkeras.pipeline import Part
from fmkeras.recipes import Recipe

NAMES = [
    name
    if model_info(name).input_size == 28
    else pytest.param(name, marks=pytest.mark.slow)
    for name in list_models()
    if model_info(name).input_size < 224
]
RECIPE = Recipe(optimizer="sgd", learning_rate=0.01)


def train(name, images, labels):
    options = {"dropout": 0.0} if "dropout" in model_info(name).options else {}
    model = build_model(name, **options)
    engine = torch_engine.TorchEngine(
        model, build_optimizer(RECIPE, 1), build_loss(RECIPE)
    )
    engine.fit(Part(images, labels), None, epochs=2, batch_size=len(labels))
    return engine, model.get_weights()


def count(engine, *targets):
    graphs = engine._graphs.values()
    return sum(n.target in targets for g in graphs for n in g.graph.nodes)


@pytest.mark.parametrize("name", NAMES)
def test_the_step_computes_the_same(name, monkeypatch):
    # Two images are enough to train on; wide nets are slow in a test.
    images, labels = draw_garments(2, seed=0)
    lean, weights = train(name, images, labels)
    monkeypatch.setattr(torch_engine, "drop_layout_copies", lambda module: module)
    plain, expected = train(name, images, labels)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    clone = torch.ops.aten.clone.default
    convolution = torch.ops.aten.convolution.default
    if count(plain, convolution):
        assert count(lean, clone) < count(plain, clone)
