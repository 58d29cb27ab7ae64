"""Separable convolutions with squeeze-excitation, designed for 28 x 28 pixels."""

from keras import layers

from fmkeras.models.blocks import (
    batch_norm,
    bias_free_conv,
    dense,
    depthwise_conv,
)
from fmkeras.models.registry import register

# Squeeze-excitation looks at the channels through a quarter of the block's.
_SQUEEZE = 4


@register
def separable(
    images, num_classes, *, widths=(24, 40, 64), blocks_per_stage=2, expansion=3
):
    """Inverted residual blocks in stages of 28, 14 and 7 pixels.

    `blocks_per_stage` blocks for each of `widths`: 1 x 1 to `expansion` times as many
    channels, 3 x 3 on each channel alone, squeeze-excitation, 1 x 1 back. Follows
    MobileNetV3 (Howard et al., arXiv 1905.02244): hard swish in the blocks, a hard
    sigmoid for the excitation. The last stage is widened fourfold before its mean.
    """
    x = _conv_norm_swish(images, widths[0], 3, name="stem")  # 28 x 28
    for stage, filters in enumerate(widths, start=1):
        for block in range(1, blocks_per_stage + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            name = f"stage_{stage}-block_{block}"
            x = _block(x, filters, stride, expansion, name=name)
    x = _conv_norm_swish(x, 4 * widths[-1], 1, name="last")  # 7 x 7
    x = layers.GlobalAveragePooling2D(name="global_average")(x)
    return dense(x, num_classes, name="logits")


def _block(x, filters, stride, expansion, *, name):
    inner = expansion * x.shape[-1]
    y = _conv_norm_swish(x, inner, 1, name=f"{name}-expand")
    y = depthwise_conv(y, 3, stride=stride, padding=1, name=f"{name}-depthwise")
    y = batch_norm(y, name=f"{name}-depthwise-norm")
    y = _swish(y, name=f"{name}-depthwise-swish")
    units = max(filters // _SQUEEZE, 1)
    y = _squeeze_excite(y, units, name=f"{name}-excite")
    y = bias_free_conv(y, filters, 1, name=f"{name}-project")
    y = batch_norm(y, name=f"{name}-project-norm")
    if stride > 1 or x.shape[-1] != filters:
        return y
    return layers.Add(name=f"{name}-add")([x, y])


def _squeeze_excite(x, units, *, name):
    """Weigh each channel by what the means of all of them say (arXiv 1709.01507)."""
    channels = x.shape[-1]
    y = layers.GlobalAveragePooling2D(name=f"{name}-mean")(x)
    y = dense(y, units, activation="relu", name=f"{name}-squeeze")
    y = dense(y, channels, activation="hard_sigmoid", name=f"{name}-weights")
    y = layers.Reshape((1, 1, channels), name=f"{name}-reshape")(y)
    return layers.Multiply(name=f"{name}-multiply")([x, y])


def _conv_norm_swish(x, filters, kernel_size, *, name):
    padding = kernel_size // 2
    x = bias_free_conv(x, filters, kernel_size, padding=padding, name=f"{name}-conv")
    x = batch_norm(x, name=f"{name}-norm")
    return _swish(x, name=f"{name}-swish")


def _swish(x, *, name):
    return layers.Activation("hard_swish", name=name)(x)
