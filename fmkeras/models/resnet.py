"""Residual networks of basic blocks."""

from keras import layers

from fmkeras.models.blocks import batch_norm, conv, conv_norm_relu, dense, max_pool
from fmkeras.models.registry import register

RESNET_18 = (2, 2, 2, 2)  # blocks in each stage
RESNET_34 = (3, 4, 6, 3)


@register
def resnet18(images, num_classes):
    """Eight residual blocks on images of 96 pixels. From FashionCNN.

    It departs from He et al. (arXiv 1512.03385) as its source does: convolutions
    have biases, and the shortcuts' convolutions have no batch normalisation.
    """
    return _resnet(images, RESNET_18, num_classes)


@register
def resnet34(images, num_classes):
    """Sixteen residual blocks, otherwise as resnet18."""
    return _resnet(images, RESNET_34, num_classes)


def _resnet(images, blocks, num_classes):
    x = conv_norm_relu(images, 64, 7, stride=2, padding=3, name="stem")
    x = max_pool(x, 3, stride=2, padding=1, name="stem_pool")  # 24 x 24 x 64
    for stage, count in enumerate(blocks, start=1):  # 24, 12, 6 and 3 pixels
        for block in range(1, count + 1):
            filters = 32 * 2**stage
            halve = stage > 1 and block == 1
            x = _residual(x, filters, halve, name=f"stage_{stage}-block_{block}")
    x = layers.GlobalAveragePooling2D(name="global_average")(x)  # 512
    return dense(x, num_classes, name="logits")


def _residual(x, filters, halve, *, name):
    stride = 2 if halve else 1
    y = conv(x, filters, 3, stride=stride, padding=1, name=f"{name}-conv_1")
    y = batch_norm(y, name=f"{name}-norm_1")
    y = layers.ReLU(name=f"{name}-relu_1")(y)
    y = conv(y, filters, 3, padding=1, name=f"{name}-conv_2")
    y = batch_norm(y, name=f"{name}-norm_2")
    if halve:
        x = conv(x, filters, 1, stride=2, name=f"{name}-shortcut")
    y = layers.Add(name=f"{name}-add")([y, x])
    return layers.ReLU(name=f"{name}-relu_2")(y)
