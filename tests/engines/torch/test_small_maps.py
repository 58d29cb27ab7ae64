"""A convolution as a matrix product is the convolution, and so are its gradients."""

import keras
import numpy as np
import pytest
import torch

from fmkeras.engines.torch.layers import Mode, torch_function
from fmkeras.engines.torch.small_maps import convolve_small_map, is_small_map

pytestmark = pytest.mark.torch_engine


@pytest.mark.parametrize("sides", [(3, 3), (1, 2), (2, 3)])
@pytest.mark.parametrize("biased", [True, False])
def test_equals_the_convolution(sides, biased):
    generator = torch.Generator().manual_seed(0)
    shapes = ((4, *sides, 5), (3, 3, 5, 7), (7,), (4, *sides, 7))
    x, kernel, bias, gradient = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes
    )
    given = [x, kernel, bias] if biased else [x, kernel]
    for tensor in given:
        tensor.requires_grad_()
    ours = convolve_small_map(x, kernel, bias if biased else None)
    found = torch.autograd.grad(ours, given, gradient)
    theirs = torch.nn.functional.conv2d(
        x.permute(0, 3, 1, 2),
        kernel.permute(3, 2, 0, 1),
        bias if biased else None,
        padding=1,
    ).permute(0, 2, 3, 1)
    expected = torch.autograd.grad(theirs, given, gradient)
    torch.testing.assert_close(ours, theirs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_takes_small_maps_of_many_channels_alone():
    def small(side, channels, filters, size=3, strides=(1, 1), padding=(1, 1)):
        x = torch.empty(2, side, side, channels)
        return is_small_map(
            x, torch.empty(size, size, channels, filters), strides, padding
        )

    assert small(3, 256, 512)
    assert not small(4, 256, 512)
    assert not small(3, 255, 512)
    assert not small(3, 256, 64)
    assert not small(3, 256, 512, size=1)
    assert not small(3, 256, 512, strides=(2, 2))
    assert not small(3, 256, 512, padding=(0, 0))


def test_a_layer_computes_what_keras_computes():
    layer = keras.layers.Conv2D(256, 3, padding="same", activation="relu")
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 256)).astype("float32")
    expected = keras.ops.convert_to_numpy(layer(x))
    found = torch_function(layer)(layer, torch.from_numpy(x), Mode(training=False))
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)
