"""Densely connected network."""

from keras import layers

from fmkeras.models.blocks import batch_norm, conv, conv_norm_relu, dense, max_pool
from fmkeras.models.registry import register


@register
def densenet(images, num_classes, *, growth=32, layers_per_block=(4, 4, 4, 4)):
    """Dense blocks, each layer adding `growth` channels, at 96 pixels.

    From FashionCNN. It departs from Huang et al. (arXiv 1608.06993) as its source
    does: no 1 x 1 bottlenecks, no normalisation before the global average.
    """
    x = conv_norm_relu(images, 64, 7, stride=2, padding=3, name="stem")
    x = max_pool(x, 3, stride=2, padding=1, name="stem_pool")  # 24 x 24 x 64
    for block, count in enumerate(layers_per_block, start=1):
        if block > 1:
            # 12 x 12 x 96, 6 x 6 x 112, 3 x 3 x 120
            x = _transition(x, name=f"transition_{block - 1}")
        for number in range(1, count + 1):
            y = _norm_relu_conv(
                x, growth, 3, padding=1, name=f"block_{block}-layer_{number}"
            )
            x = layers.Concatenate(name=f"block_{block}-join_{number}")([x, y])
    x = layers.GlobalAveragePooling2D(name="global_average")(x)  # 248
    return dense(x, num_classes, name="logits")


def _transition(x, *, name):
    """Halve the channels, then the height and the width."""
    x = _norm_relu_conv(x, x.shape[-1] // 2, 1, name=name)
    return layers.AveragePooling2D(2, name=f"{name}-pool")(x)


def _norm_relu_conv(x, filters, kernel_size, *, name, padding=0):
    x = batch_norm(x, name=f"{name}-norm")
    x = layers.ReLU(name=f"{name}-relu")(x)
    return conv(x, filters, kernel_size, padding=padding, name=f"{name}-conv")
