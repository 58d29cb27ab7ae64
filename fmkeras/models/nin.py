"""Network in network."""

from keras import layers

from fmkeras.models.blocks import conv, max_pool
from fmkeras.models.registry import register


@register
def nin(images, num_classes, *, dropout=0.5):
    """Convolutions each with two 1 x 1 convolutions behind; no dense layer.

    From FashionCNN. The logits are averages behind a relu: never below zero.
    """
    x = _block(images, 96, 11, stride=4, name="block_1")  # 54 x 54 x 96
    x = max_pool(x, 3, stride=2, name="pool_1")
    x = _block(x, 256, 5, padding=2, name="block_2")  # 26 x 26 x 256
    x = max_pool(x, 3, stride=2, name="pool_2")
    x = _block(x, 384, 3, padding=1, name="block_3")  # 12 x 12 x 384
    x = max_pool(x, 3, stride=2, name="pool_3")
    x = layers.Dropout(dropout, name="dropout_1")(x)
    x = _block(x, num_classes, 3, padding=1, name="block_4")  # 5 x 5 x classes
    return layers.GlobalAveragePooling2D(name="logits")(x)


def _block(x, filters, kernel_size, *, name, stride=1, padding=0):
    x = conv(
        x,
        filters,
        kernel_size,
        stride=stride,
        padding=padding,
        activation="relu",
        name=f"{name}-conv_1",
    )
    x = conv(x, filters, 1, activation="relu", name=f"{name}-conv_2")
    return conv(x, filters, 1, activation="relu", name=f"{name}-conv_3")
