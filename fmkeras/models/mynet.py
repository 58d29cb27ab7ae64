"""FashionCNN's own small network."""

from fmkeras.models.blocks import conv, max_pool, two_dense_head
from fmkeras.models.registry import register


@register
def mynet(images, num_classes, *, dropout=0.5):
    """Three convolutions, two poolings, two dense layers. From FashionCNN."""
    x = conv(images, 8, 3, padding=1, activation="relu", name="conv_1")
    x = max_pool(x, 2, name="pool_1")  # 14 x 14 x 8
    x = conv(x, 32, 3, padding=1, activation="relu", name="conv_2")
    x = conv(x, 64, 3, padding=1, activation="relu", name="conv_3")
    x = max_pool(x, 2, name="pool_2")  # 7 x 7 x 64
    return two_dense_head(x, 256, num_classes, dropout)
