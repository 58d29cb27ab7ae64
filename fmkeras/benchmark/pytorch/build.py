"""The same networks as plain PyTorch modules: the other side of parity and speed.

Modules are named as the layers of the Keras networks, with a dot where those have a
dash, so that weights move both ways (see `fmkeras.benchmark.pytorch.weights`).
"""

from functools import partial

import torch
from torch import nn

from fmkeras.benchmark.pytorch import large, own, small
from fmkeras.benchmark.pytorch.blocks import Prepare, Twin
from fmkeras.errors import UserError
from fmkeras.labels import NUM_CLASSES
from fmkeras.models import model_info
from fmkeras.models.options import check_arguments, check_options
from fmkeras.models.registry import pixel_scale

_TWINS = {
    "mynet": small.MyNet,
    "lenet": small.LeNet,
    "alexnet_tiny": small.AlexNetTiny,
    "alexnet": large.AlexNet,
    "vgg11": partial(large.VGG, (1, 1, 2, 2, 2)),
    "nin": large.NiN,
    "googlenet": large.GoogLeNet,
    "resnet18": partial(large.ResNet, (2, 2, 2, 2)),
    "densenet": large.DenseNet,
    "fashionnet": small.FashionNet,
    "lenet_relu": small.LeNetRelu,
    "logistic_regression": small.LogisticRegression,
    "mlp": small.MLP,
    "cnn": small.CNN,
    "linear": small.Linear,
    "tinyvgg": partial(small.TinyVGG, 2),
    "tinyvgg_3": partial(small.TinyVGG, 3),
    "tinyvgg_bn": small.TinyVGGNorm,
    "fashionnet_64": partial(small.FashionNet, side=64),
    "vgg13": partial(large.VGG, (2, 2, 2, 2, 2)),
    "vgg16": partial(large.VGG, (2, 2, 3, 3, 3)),
    "vgg19": partial(large.VGG, (2, 2, 4, 4, 4)),
    "resnet34": partial(large.ResNet, (3, 4, 6, 3)),
    "conv_pool": own.ConvPool,
    "fmk_100k": partial(own.ConvPool, stem=24, widths=(28, 44, 60)),
    "fmk_1m": partial(own.ConvPool, stem=32, widths=(64, 144, 192)),
    "fmk_10m": partial(own.ConvPool, stem=64, widths=(176, 480, 640)),
}


def build_twin(
    name: str,
    num_classes: int = NUM_CLASSES,
    preprocessing: str = "scale",
    side: int = 28,
    **options,
) -> Twin:
    """Build a network as a `torch.nn.Module`, in training mode as PyTorch has it.

    It takes raw pixels, float (n, 1, side, side), 0 to 255, and gives logits
    (n, num_classes); `options` as for `build_model`. Weights are PyTorch's own
    first draw. Raises `UserError` as `build_model` does.
    """
    info = model_info(name)
    check_arguments(
        info,
        num_classes=num_classes,
        input_shape=(side, side, 1),
        preprocessing=preprocessing,
    )
    check_options(info, options)
    if info.name not in _TWINS:
        raise UserError(
            f"{info.name} has not been written for PyTorch; expected one of: "
            f"{', '.join(_TWINS)}. Received: {name!r}"
        )
    twin = _TWINS[info.name](num_classes=num_classes, **options)
    if info.input_size == 28:
        twin.prepare = Prepare(*pixel_scale(preprocessing), side)
        _fit_first_dense(twin, side)
    else:
        twin.prepare = Prepare(*pixel_scale(preprocessing), info.input_size)
    return twin


def _fit_first_dense(twin: Twin, side: int) -> None:
    """Give the first dense layer as many inputs as images of `side` leave it."""

    def fit(layer, inputs):
        count = inputs[0].shape[-1]
        if count != layer.in_features:
            layer.in_features = count
            layer.weight = nn.Parameter(torch.empty(layer.out_features, count))
            layer.reset_parameters()

    first = next(m for m in twin.modules() if isinstance(m, nn.Linear))
    with torch.no_grad(), first.register_forward_pre_hook(fit):
        twin.eval()(torch.zeros(1, 1, side, side))
    twin.train()
