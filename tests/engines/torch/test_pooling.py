"""Pooling and products in operations of our own, beside torch's."""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional

from fmkeras.engines.torch import operations, pooling
from fmkeras.engines.torch.matmul import affine

pytestmark = pytest.mark.torch_engine

# Even sides, and one row and column that no window holds.
SHAPES = [(3, 6, 4, 5), (2, 7, 5, 16)]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def gradients(function, *inputs):
    """Return the outputs, and the gradients of their weighted sum."""
    leaves = [x.detach().clone().requires_grad_(True) for x in inputs]
    outputs = function(*leaves)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    weights = torch.linspace(-1, 2, outputs[0].numel(), dtype=outputs[0].dtype)
    total = (outputs[0] * weights.view(outputs[0].shape)).sum()
    return [*(x.detach() for x in outputs), *torch.autograd.grad(total, leaves)]


def on_channels(function):
    def call(x, *rest):
        return function(x.permute(0, 3, 1, 2), *rest).permute(0, 2, 3, 1)

    return call


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_is_torchs(kind, shape):
    mine = {"max": pooling.max_pool, "average": pooling.average_pool}[kind]
    torchs = {"max": functional.max_pool2d, "average": functional.avg_pool2d}[kind]
    # Few values, so that many windows have their largest twice.
    x = torch.randint(0, 3, shape).double()
    found = gradients(mine, x)
    expected = gradients(on_channels(lambda images: torchs(images, 2)), x)
    torch.testing.assert_close(found, expected)


def test_a_normalisation_before_a_maximum_is_torchs():
    x, gamma, beta = draw(3, 6, 4, 5), draw(5), draw(5)

    def expected(x, gamma, beta):
        y = functional.batch_norm(
            x.permute(0, 3, 1, 2), None, None, gamma, beta, True, eps=1e-3
        )
        pooled = functional.max_pool2d(y, 2).permute(0, 2, 3, 1)
        return pooled, x.mean((0, 1, 2)), x.var((0, 1, 2), correction=0)

    def found(x, gamma, beta):
        return pooling.norm_max_pool(x, gamma, beta, 1e-3)

    torch.testing.assert_close(
        gradients(found, x, gamma, beta), gradients(expected, x, gamma, beta)
    )


@pytest.mark.slow
def test_a_compiler_makes_the_same_of_it():
    def step(x, gamma, beta, kernel):
        leaves = [t.detach().requires_grad_(True) for t in (x, gamma, beta, kernel)]
        y = operations.convolve(leaves[0], leaves[3], None, (1, 1), (1, 1))
        y, mean, variance = pooling.norm_max_pool(y, *leaves[1:3], 1e-3)
        y = torch.relu(y)
        y = pooling.average_pool(pooling.max_pool(y))
        gradients = torch.autograd.grad(y.square().sum(), leaves)
        return [y.detach(), mean, variance, *gradients]

    inputs = [draw(3, 12, 12, 2), draw(5), draw(5), draw(3, 3, 2, 5)]
    module = make_fx(step, tracing_mode="fake")(*inputs)
    with torch.no_grad():
        found = torch._inductor.compile(module, inputs)(*inputs)
        torch.testing.assert_close(list(found), list(module(*inputs)))


@pytest.mark.parametrize("strides, padding", [((1, 1), (0, 0)), ((2, 1), (1, 2))])
def test_a_convolution_is_torchs(strides, padding):
    x, kernel, bias = draw(3, 7, 6, 4), draw(3, 2, 4, 5), draw(5)

    def found(*tensors):
        return operations.convolve(*tensors, strides, padding)

    def expected(x, kernel, bias):
        images, weights = x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1)
        images = functional.conv2d(images, weights, bias, strides, padding)
        return images.permute(0, 2, 3, 1)

    tensors = [x, kernel, bias]
    torch.testing.assert_close(
        gradients(found, *tensors), gradients(expected, *tensors)
    )
    for operation, arguments in (
        (torch.ops.fmkeras.convolve, ()),
        (torch.ops.fmkeras.convolve_backward, ([True, False, True],)),
    ):
        first = [draw(*found(*tensors).shape)] if arguments else []
        rest = [] if arguments else [bias]
        torch.library.opcheck(
            operation,
            (*first, x, kernel, *rest, list(strides), list(padding), *arguments),
            test_utils=("test_schema", "test_faketensor"),
        )


@pytest.mark.parametrize("biased", [True, False])
def test_a_product_of_float32_is_as_exact_as_torchs(biased):
    tensors = [draw(7, 300), draw(300, 20), draw(20)][: 3 if biased else 2]

    def call(x, kernel, bias=None):
        return affine(x, kernel, bias)

    def torchs(x, kernel, bias=0.0):
        return x @ kernel + bias

    exact = gradients(torchs, *tensors)
    narrow = [tensor.float() for tensor in tensors]
    found, usual = gradients(call, *narrow), gradients(torchs, *narrow)
    for mine, other, right in zip(found, usual, exact, strict=True):
        error = (mine.double() - right).abs().max()
        assert error <= 2 * (other.double() - right).abs().max() + 1e-6
