"""Three convolutions with batch normalisation, and two hidden dense layers."""

from keras import layers

from fmkeras.models.blocks import batch_norm, conv, dense, max_pool
from fmkeras.models.registry import register


@register
def cnn(images, num_classes, *, dropout=0.4):
    """Blocks of 16, 32 and 64 channels, then dense layers of 512 and 64.

    From 'Deep Learning Models towards Fashion-MNIST'. The third block is not pooled.
    """
    x = images
    for number, filters in enumerate((16, 32, 64), start=1):
        x = conv(x, filters, 3, padding=1, name=f"conv_{number}")
        x = batch_norm(x, name=f"norm_{number}")
        x = layers.LeakyReLU(negative_slope=0.01, name=f"leaky_relu_{number}")(x)
        if number < 3:
            x = max_pool(x, 2, name=f"pool_{number}")  # 14 x 14 x 16, 7 x 7 x 32
    x = layers.Flatten(name="flatten")(x)  # 7 x 7 x 64
    for number, units in enumerate((512, 64), start=1):
        x = dense(x, units, name=f"dense_{number}")
        x = layers.LeakyReLU(negative_slope=0.01, name=f"leaky_relu_{number + 3}")(x)
        x = layers.Dropout(dropout, name=f"dropout_{number}")(x)
    return dense(x, num_classes, name="logits")
