"""Networks of dense layers alone."""

from keras import layers

from fmkeras.models.blocks import dense
from fmkeras.models.registry import register


@register
def logistic_regression(images, num_classes):
    """One dense layer: softmax regression on the pixels.

    From 'Deep Learning Models towards Fashion-MNIST'.
    """
    x = layers.Flatten(name="flatten")(images)
    return dense(x, num_classes, name="logits")


@register
def linear(images, num_classes):
    """Two dense layers with nothing between: a linear model written as two.

    From the Tiny VGG study, which takes it as its baseline.
    """
    x = layers.Flatten(name="flatten")(images)
    x = dense(x, 10, name="dense_1")
    return dense(x, num_classes, name="logits")


@register
def mlp(images, num_classes, *, hidden_units=(256, 128, 64)):
    """Hidden layers of `hidden_units` neurons, each with a leaky relu.

    From 'Deep Learning Models towards Fashion-MNIST'.
    """
    x = layers.Flatten(name="flatten")(images)
    for number, units in enumerate(hidden_units, start=1):
        x = dense(x, units, name=f"dense_{number}")
        x = layers.LeakyReLU(negative_slope=0.01, name=f"leaky_relu_{number}")(x)
    return dense(x, num_classes, name="logits")
