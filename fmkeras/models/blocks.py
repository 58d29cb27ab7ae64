"""Layers that more than one family uses, with PyTorch's meaning of padding.

A dash in a layer's name stands for the dot in the PyTorch twin's module path
(`stage_1-conv` here is `stage_1.conv` there), because Keras takes no dots.
"""

from keras import layers

# `initialize` draws the kernels once the network stands. Keras drawing its own
# before that would cost a compilation for each shape under jax: seconds a layer.
_BLANK = "zeros"


def conv(
    x, filters, kernel_size, *, name, stride=1, padding=0, activation=None, bias=True
):
    """Convolve with `padding` zeros on each side, as `torch.nn.Conv2d` does."""
    x, mode = _padded(x, kernel_size, stride, padding, name)
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding=mode,
        activation=activation,
        use_bias=bias,
        kernel_initializer=_BLANK,
        name=name,
    )(x)


def bias_free_conv(x, filters, kernel_size, *, name, stride=1, padding=0):
    """Convolve without a bias, which a normalisation that follows would take away."""
    return conv(
        x, filters, kernel_size, stride=stride, padding=padding, bias=False, name=name
    )


def depthwise_conv(x, kernel_size, *, name, stride=1, padding=0):
    """Convolve each channel alone, without a bias; `padding` zeros on each side."""
    x, mode = _padded(x, kernel_size, stride, padding, name)
    return layers.DepthwiseConv2D(
        kernel_size,
        strides=stride,
        padding=mode,
        use_bias=False,
        depthwise_initializer=_BLANK,
        name=name,
    )(x)


def _padded(x, kernel_size, stride, padding, name):
    """Return x, padded where Keras cannot say it, and the padding mode.

    Keras's 'same' is used only where it means the same zeros: stride 1 and an odd
    kernel. Elsewhere it pads the right and the bottom more than the left and top.
    """
    symmetric = stride == 1 and kernel_size % 2 == 1 and padding == kernel_size // 2
    if padding and not symmetric:
        x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    return x, "same" if symmetric else "valid"


def dense(x, units, *, name, activation=None):
    """Connect every value with each of `units` neurons."""
    return layers.Dense(
        units, activation=activation, kernel_initializer=_BLANK, name=name
    )(x)


def batch_norm(x, *, name):
    """Normalise with PyTorch's defaults: its momentum 0.1 is 0.9 in Keras's terms.

    One difference stays: the moving variance here averages the batch's variance
    itself, where PyTorch averages it times n / (n - 1).
    """
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def conv_norm_relu(x, filters, kernel_size, *, name, stride=1, padding=0):
    """Convolve, normalise, cut off below zero."""
    x = conv(
        x, filters, kernel_size, stride=stride, padding=padding, name=f"{name}-conv"
    )
    x = batch_norm(x, name=f"{name}-norm")
    return layers.ReLU(name=f"{name}-relu")(x)


def max_pool(x, size, *, name, stride=None, padding=0):
    """Pool as `torch.nn.MaxPool2d` does, for x >= 0 where there is padding.

    PyTorch pads with minus infinity. Behind a relu no value is below zero and every
    window holds at least one true value, so padding with zeros gives the same.
    """
    if padding:
        x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    return layers.MaxPooling2D(size, strides=stride or size, name=name)(x)


def two_dense_head(x, units, num_classes, dropout):
    """Two dense layers with relu and dropout, then the logits."""
    x = layers.Flatten(name="flatten")(x)
    x = dense(x, units, activation="relu", name="dense_1")
    x = layers.Dropout(dropout, name="dropout_1")(x)
    x = dense(x, units, activation="relu", name="dense_2")
    x = layers.Dropout(dropout, name="dropout_2")(x)
    return dense(x, num_classes, name="logits")
