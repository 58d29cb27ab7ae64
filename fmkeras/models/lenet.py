"""LeNet-5 with sigmoids, and a smaller one with relus."""

from keras import layers

from fmkeras.models.blocks import conv, dense, max_pool
from fmkeras.models.registry import register


@register
def lenet(images, num_classes):
    """LeNet-5: sigmoids and average pooling. From FashionCNN."""
    x = conv(images, 6, 5, padding=2, activation="sigmoid", name="conv_1")
    x = layers.AveragePooling2D(2, name="pool_1")(x)  # 14 x 14 x 6
    x = conv(x, 16, 5, activation="sigmoid", name="conv_2")
    x = layers.AveragePooling2D(2, name="pool_2")(x)  # 5 x 5 x 16
    x = layers.Flatten(name="flatten")(x)
    x = dense(x, 120, activation="sigmoid", name="dense_1")
    x = dense(x, 84, activation="sigmoid", name="dense_2")
    return dense(x, num_classes, name="logits")


@register
def lenet_relu(images, num_classes):
    """LeNet's plan with relus, max pooling and no padding.

    From FashionMNIST-PyTorch.
    """
    x = conv(images, 6, 5, activation="relu", name="conv_1")
    x = max_pool(x, 2, name="pool_1")  # 12 x 12 x 6
    x = conv(x, 12, 5, activation="relu", name="conv_2")
    x = max_pool(x, 2, name="pool_2")  # 4 x 4 x 12
    x = layers.Flatten(name="flatten")(x)
    x = dense(x, 120, activation="relu", name="dense_1")
    x = dense(x, 60, activation="relu", name="dense_2")
    return dense(x, num_classes, name="logits")
