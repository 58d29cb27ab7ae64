"""FashionNet: two convolutions with dropout on their channels' values."""

from keras import layers

from fmkeras.models.blocks import batch_norm, conv, dense
from fmkeras.models.registry import register


@register
def fashionnet(images, num_classes, *, dropout=0.5):
    """Two convolutions, each normalised, thinned out and cut by a leaky relu.

    From FashionNet. With `init='torch'` its convolutions start as its source has
    them: Kaiming normal, zero biases.
    """
    x = _stage(images, 24, dropout, name="stage_1")  # 28 x 28 x 24
    x = _stage(x, 64, dropout, stride=2, name="stage_2")  # 14 x 14 x 64
    x = layers.Flatten(name="flatten")(x)
    return dense(x, num_classes, name="logits")


def _stage(x, filters, dropout, *, name, stride=1):
    x = conv(x, filters, 3, stride=stride, padding=1, name=f"{name}-conv")
    x = batch_norm(x, name=f"{name}-norm")
    x = layers.Dropout(dropout, name=f"{name}-dropout")(x)
    return layers.LeakyReLU(negative_slope=0.1, name=f"{name}-leaky_relu")(x)
