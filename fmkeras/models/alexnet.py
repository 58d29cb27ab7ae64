"""AlexNet, and a small one for images of 28 pixels."""

from fmkeras.models.blocks import conv, max_pool, two_dense_head
from fmkeras.models.registry import register


@register
def alexnet(images, num_classes, *, dropout=0.5):
    """AlexNet on images of 224 pixels. From FashionCNN."""
    x = conv(images, 96, 11, stride=4, padding=1, activation="relu", name="conv_1")
    x = max_pool(x, 3, stride=2, name="pool_1")  # 26 x 26 x 96
    x = conv(x, 256, 5, padding=2, activation="relu", name="conv_2")
    x = max_pool(x, 3, stride=2, name="pool_2")  # 12 x 12 x 256
    x = conv(x, 384, 3, padding=1, activation="relu", name="conv_3")
    x = conv(x, 384, 3, padding=1, activation="relu", name="conv_4")
    x = conv(x, 256, 3, padding=1, activation="relu", name="conv_5")
    x = max_pool(x, 3, stride=2, name="pool_3")  # 5 x 5 x 256
    return two_dense_head(x, 4096, num_classes, dropout)


@register
def alexnet_tiny(images, num_classes, *, dropout=0.5):
    """AlexNet's plan at 28 pixels, with smaller kernels. From FashionCNN."""
    x = conv(images, 64, 4, padding=1, activation="relu", name="conv_1")
    x = max_pool(x, 2, name="pool_1")  # 13 x 13 x 64
    x = conv(x, 256, 3, padding=1, activation="relu", name="conv_2")
    x = conv(x, 256, 3, padding=1, activation="relu", name="conv_3")
    x = conv(x, 128, 3, padding=1, activation="relu", name="conv_4")
    x = max_pool(x, 2, name="pool_2")  # 6 x 6 x 128
    return two_dense_head(x, 512, num_classes, dropout)
