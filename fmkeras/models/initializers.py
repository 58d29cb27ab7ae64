"""Initial weights drawn by numpy, so that a seed means the same on every backend."""

import math

import numpy as np

from fmkeras.seeds import random_generator

INITIALIZERS = ("keras", "torch")

# FashionNet's authors draw their convolutions so; PyTorch's default is uniform.
KAIMING_NORMAL_CONVOLUTIONS = frozenset({"fashionnet", "fashionnet_64"})


def initialize(model, init: str, seed: int) -> None:
    """Draw the model's kernels and biases, and seed its dropout layers, from `seed`.

    init: 'keras' draws kernels by Glorot's uniform rule and sets biases to zero;
    'torch' draws both by PyTorch's default, uniform within 1 / sqrt(fan in), except
    FashionNet's convolutions: Kaiming normal kernels, zero biases. Depthwise kernels
    count as convolutions of one channel to one. Batch
    normalisation starts at scale 1, offset 0, mean 0 and variance 1 in both.
    """
    generator = random_generator("weights", seed)
    from keras.initializers import GlorotUniform

    for layer in model.layers:
        kind = type(layer).__name__
        if kind in ("Conv2D", "Dense"):
            shape = tuple(layer.kernel.shape)
            if init == "keras":
                kernel, bias = _glorot_uniform(generator, shape)
            elif kind == "Conv2D" and model.name in KAIMING_NORMAL_CONVOLUTIONS:
                kernel, bias = _kaiming_normal(generator, shape)
            else:
                kernel, bias = _torch_default(generator, shape)
            layer.set_weights([kernel, bias] if layer.use_bias else [kernel])
            # Was a blank; the saved file shall name one that a copy can learn from.
            layer.kernel_initializer = GlorotUniform()
        elif kind == "DepthwiseConv2D":
            # Each channel has its own kernel: one input and one output each.
            shape = tuple(layer.kernel.shape)
            limit = 1 / math.sqrt(math.prod(shape[:2]))
            if init == "keras":
                limit *= math.sqrt(3)
            weights = [_uniform(generator, shape, limit)]
            if layer.use_bias:
                size = (math.prod(shape[2:]),)
                is_zero = init == "keras"
                bias = np.zeros(size) if is_zero else _uniform(generator, size, limit)
                weights.append(bias)
            layer.set_weights(weights)
            layer.depthwise_initializer = GlorotUniform()
        elif kind == "Dropout" and layer.rate > 0:
            # torch alone draws from its global generator instead.
            state = np.array([generator.integers(2**31), 0], np.uint32)
            layer.seed_generator.state.assign(state)


def _glorot_uniform(generator, shape):
    fan_in = math.prod(shape[:-1])
    fan_out = math.prod(shape[:-2]) * shape[-1]
    kernel = _uniform(generator, shape, math.sqrt(6 / (fan_in + fan_out)))
    return kernel, np.zeros(shape[-1], np.float32)


def _torch_default(generator, shape):
    limit = 1 / math.sqrt(math.prod(shape[:-1]))
    kernel = _uniform(generator, shape, limit)
    return kernel, _uniform(generator, shape[-1:], limit)


def _kaiming_normal(generator, shape):
    deviation = np.float32(math.sqrt(2 / math.prod(shape[:-1])))
    kernel = generator.standard_normal(shape, np.float32) * deviation
    return kernel, np.zeros(shape[-1], np.float32)


def _uniform(generator, shape, limit):
    unit = generator.random(shape, np.float32)
    return (unit * np.float32(2) - np.float32(1)) * np.float32(limit)
