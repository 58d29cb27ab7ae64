"""This project's own networks, one a size, as `make study` chose them."""

from fmkeras.models.conv_pool import conv_pool
from fmkeras.models.registry import register


@register
def fmk_100k(images, num_classes):
    """Two convolutions a stage, 99,178 weights for ten classes.

    The first of the shapes of at most 100,000 weights after ten epochs, by validation
    accuracy and by images a second (docs/log.md).
    """
    return conv_pool(images, num_classes, stem=24, widths=(28, 44, 60))
