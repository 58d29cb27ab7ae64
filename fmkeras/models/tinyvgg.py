"""TinyVGG: blocks of two convolutions with ten filters."""

from keras import layers

from fmkeras.models.blocks import conv, conv_norm_relu, dense, max_pool
from fmkeras.models.registry import register


@register
def tinyvgg(images, num_classes):
    """Two blocks of two convolutions with ten filters.

    The second version of the Tiny VGG study, which reports that it did not train. No
    code of it is left; the layers follow its text.
    """
    return _plain(images, num_classes, blocks=2)  # 14 x 14 x 10, 7 x 7 x 10


@register
def tinyvgg_3(images, num_classes):
    """Three blocks of two convolutions with ten filters.

    The third version of the Tiny VGG study, whose figures it publishes.
    """
    return _plain(images, num_classes, blocks=3)  # 14, 7 and 3 pixels


@register
def tinyvgg_bn(images, num_classes):
    """`tinyvgg_3` with batch normalisation and a dense layer of 64.

    No network of the Tiny VGG study: both additions are this project's own.
    """
    x = images
    for block in (1, 2, 3):
        for number in (1, 2):
            x = conv_norm_relu(x, 10, 3, padding=1, name=f"block_{block}-part_{number}")
        x = max_pool(x, 2, name=f"block_{block}-pool")  # 14, 7 and 3 pixels
    x = layers.Flatten(name="flatten")(x)
    x = dense(x, 64, activation="relu", name="dense_1")
    return dense(x, num_classes, name="logits")


def _plain(x, num_classes, *, blocks):
    for block in range(1, blocks + 1):
        for number in (1, 2):
            name = f"block_{block}-conv_{number}"
            x = conv(x, 10, 3, padding=1, activation="relu", name=name)
        x = max_pool(x, 2, name=f"block_{block}-pool")
    x = layers.Flatten(name="flatten")(x)
    return dense(x, num_classes, name="logits")
