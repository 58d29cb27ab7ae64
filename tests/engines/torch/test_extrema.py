"""The gradient of a maximum in a compiled step goes to all values that equal it."""

import keras
import numpy as np
import pytest
import torch
from keras import layers, ops

from fmkeras.datasets.garments.draw import draw_garments
from fmkeras.datasets.splits import Subset
from fmkeras.engines.torch.engine import TorchEngine, trace_step
from fmkeras.engines.torch.extrema import keep_extrema
from fmkeras.engines.torch.inductor import compile_graph
from fmkeras.models import build_model
from fmkeras.recipes import Recipe
from fmkeras.training.builders import build_loss, build_optimizer

pytestmark = pytest.mark.torch_engine

# The largest relative error of a rounding to bfloat16, whose significand has 8 bits.
ROUNDING = 2.0**-8
REDUCTIONS = {
    "a global maximum": layers.GlobalMaxPooling2D(),
    "a maximum over channels": lambda y: ops.max(y, axis=-1, keepdims=True),
    "a minimum of all": lambda y: ops.min(y),
}


def gradients(*images):
    """Return the gradient of each reduction of rescaled images, all in one graph."""
    results = []
    for x, reduce in zip(images, REDUCTIONS.values(), strict=True):
        x = x.detach().requires_grad_(True)
        reduced = reduce(x * (1 / 255))
        # Powers of two: their products are exact.
        powers = 2.0 ** torch.arange(reduced.numel()).remainder(5)
        loss = (reduced.reshape(-1) * powers.to(reduced.dtype)).sum()
        results += torch.autograd.grad(loss, x)
    return results


def make_images() -> list[torch.Tensor]:
    """Return images of few neighbouring values, many equal once rounded."""
    generator = torch.Generator().manual_seed(0)
    shape = (len(REDUCTIONS), 8, 3, 3, 16)
    values = torch.randint(200, 208, shape, generator=generator)
    return list(values.to(torch.bfloat16))


def check(found, wanted):
    for name, one, other in zip(REDUCTIONS, found, wanted, strict=True):
        places = other != 0
        assert torch.equal(one != 0, places), name
        assert 0 < places.float().mean() < 0.5, name
        # Uncompiled rounds the share of an equal value, then its product with 1 / 255;
        # compiled rounds once.
        torch.testing.assert_close(one, other, rtol=3.1 * ROUNDING, atol=0)


def test_one_operator_finds_a_maximum_and_its_places():
    images = make_images()
    graph = trace_step(lambda images: gradients(*images), [images])
    wanted = graph(*images)
    keep_extrema(graph)
    targets = [str(node.target) for node in graph.graph.nodes]
    assert sum(name.startswith("fmkeras_extrema") for name in targets) == 3
    assert not any("aten.eq" in name or "aten.am" in name for name in targets)
    found = graph(*images)
    assert all(map(torch.equal, found, wanted))
    check(found, wanted)


@pytest.mark.slow
def test_a_compiled_maximum_in_bfloat16_has_the_gradient_of_an_uncompiled_one():
    images = make_images()
    graph = trace_step(lambda images: gradients(*images), [images])
    wanted = graph(*images)
    check(compile_graph(graph, images)(*images), wanted)


@pytest.mark.slow
def test_a_step_compiled_in_bfloat16_is_as_near_to_float32_as_an_uncompiled_one():
    part = Subset(*draw_garments(64, seed=0))
    recipe = Recipe(optimizer="sgd", momentum=0.0, learning_rate=0.1)

    def weights_after_a_step(dtype, compile_step):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(dtype)
        try:
            model = build_model("conv_pool", seed=0, stem=4, widths=(4, 4, 4))
        finally:
            keras.config.set_dtype_policy(before)
        parts = model, build_optimizer(recipe, 1), build_loss(recipe)
        engine = TorchEngine(*parts, compile_step=compile_step)
        engine.fit(part, epochs=1, batch_size=64)
        return np.concatenate([weight.ravel() for weight in model.get_weights()])

    exact = weights_after_a_step("float32", False)
    errors = [
        np.linalg.norm(weights_after_a_step("mixed_bfloat16", compiled) - exact)
        for compiled in (False, True)
    ]
    # Compiled, fewer values are rounded, and no gradient goes elsewhere.
    assert 0 < errors[1] <= errors[0]
