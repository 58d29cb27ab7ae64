"""FashionNet: two convolutions with dropout, at 28 and at 64 pixels."""

from keras import layers

from fmkeras.models.blocks import batch_norm, conv, dense
from fmkeras.models.registry import register


@register
def fashionnet(images, num_classes, *, dropout=0.5):
    """Two convolutions, each with leaky ReLU, batch normalisation and dropout.

    From FashionNet, in the order of its code (its README names the same parts in
    another). With `init='torch'` its convolutions start as its source has them:
    Kaiming normal, zero biases.
    """
    x = _stage(images, 24, dropout, name="stage_1")  # 28 x 28 x 24
    x = _stage(x, 64, dropout, stride=2, name="stage_2")  # 14 x 14 x 64
    x = layers.Flatten(name="flatten")(x)
    return dense(x, num_classes, name="logits")


@register
def fashionnet_64(images, num_classes, *, dropout=0.5):
    """FashionNet on images resized to 64 x 64, as its notebook ran.

    32 x 32 x 64 values reach the dense layer instead of 14 x 14 x 64.
    """
    return fashionnet(images, num_classes, dropout=dropout)


def _stage(x, filters, dropout, *, name, stride=1):
    x = conv(x, filters, 3, stride=stride, padding=1, name=f"{name}-conv")
    x = layers.LeakyReLU(negative_slope=0.1, name=f"{name}-leaky_relu")(x)
    x = batch_norm(x, name=f"{name}-norm")
    return layers.Dropout(dropout, name=f"{name}-dropout")(x)
