"""Residual networks with pre-activation, designed for 28 x 28 pixels."""

from keras import layers

from fmkeras.models.blocks import batch_norm, bias_free_conv, dense
from fmkeras.models.registry import register


@register
def preact_resnet(images, num_classes, *, depth=20, width=16):
    """Three stages of residual blocks, of `width`, 2 and 4 times `width` channels.

    `depth` is 6 n + 2: n blocks of two convolutions a stage, the first convolution and
    the dense layer. He et al. (arXiv 1603.05027) for 28 x 28 pixels: the stages have
    28, 14 and 7 pixels. Zagoruyko and Komodakis (arXiv 1605.07146) widen the stages and
    leave the first convolution narrow; here it is as wide as the first stage.
    """
    x = bias_free_conv(images, width, 3, padding=1, name="stem")  # 28 x 28
    for stage in (1, 2, 3):
        filters = width * 2 ** (stage - 1)
        for block in range(1, (depth - 2) // 6 + 1):
            halve = stage > 1 and block == 1
            x = _block(x, filters, halve, name=f"stage_{stage}-block_{block}")
    x = _norm_relu(x, name="last")  # 7 x 7 x 4 width
    x = layers.GlobalAveragePooling2D(name="global_average")(x)
    return dense(x, num_classes, name="logits")


def _block(x, filters, halve, *, name):
    """Add two convolutions; where the shape changes the sum starts after the ReLU."""
    stride = 2 if halve else 1
    y = _norm_relu(x, name=f"{name}-pre_1")
    if halve:
        x = bias_free_conv(y, filters, 1, stride=2, name=f"{name}-shortcut")
    y = bias_free_conv(y, filters, 3, stride=stride, padding=1, name=f"{name}-conv_1")
    y = _norm_relu(y, name=f"{name}-pre_2")
    y = bias_free_conv(y, filters, 3, padding=1, name=f"{name}-conv_2")
    return layers.Add(name=f"{name}-add")([x, y])


def _norm_relu(x, *, name):
    x = batch_norm(x, name=f"{name}-norm")
    return layers.ReLU(name=f"{name}-relu")(x)
