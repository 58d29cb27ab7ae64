"""TinyVGG, as it was and with batch normalisation."""

from keras import layers

from fmkeras.models.blocks import conv, conv_norm_relu, dense, max_pool
from fmkeras.models.registry import register


@register
def tinyvgg(images, num_classes):
    """Two blocks of two convolutions with ten filters.

    From the Tiny VGG study, where it did not train: its gradients exploded.
    """
    x = images
    for block in (1, 2):
        for number in (1, 2):
            name = f"block_{block}-conv_{number}"
            x = conv(x, 10, 3, padding=1, activation="relu", name=name)
        x = max_pool(x, 2, name=f"block_{block}-pool")  # 14 x 14 x 10, 7 x 7 x 10
    x = layers.Flatten(name="flatten")(x)
    return dense(x, num_classes, name="logits")


@register
def tinyvgg_bn(images, num_classes):
    """Three blocks with batch normalisation, and a dense layer.

    From the Tiny VGG study. It does not give the dense layer's width: 64 is ours.
    """
    x = images
    for block in (1, 2, 3):
        for number in (1, 2):
            x = conv_norm_relu(x, 10, 3, padding=1, name=f"block_{block}-part_{number}")
        x = max_pool(x, 2, name=f"block_{block}-pool")  # 14, 7 and 3 pixels
    x = layers.Flatten(name="flatten")(x)
    x = dense(x, 64, activation="relu", name="dense_1")
    return dense(x, num_classes, name="logits")
