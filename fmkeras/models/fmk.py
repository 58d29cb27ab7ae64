"""This project's own networks, one a size, as `make study` compares them."""

from fmkeras.models.conv_pool import conv_pool
from fmkeras.models.registry import register


@register
def fmk_100k(images, num_classes):
    """Two convolutions a stage, 99,178 weights for ten classes.

    The first of the shapes that `make study NAME=shapes-100k` compares (docs/log.md).
    """
    return conv_pool(images, num_classes, stem=24, widths=(28, 44, 60))


@register
def fmk_1m(images, num_classes):
    """Two convolutions a stage, 909,354 weights for ten classes.

    The shape of `fmk_100k`, until `shapes-1m` is on record (docs/log.md).
    """
    return conv_pool(images, num_classes, stem=32, widths=(64, 144, 192))


@register
def fmk_10m(images, num_classes):
    """Two convolutions a stage, 9,677,578 weights for ten classes.

    The shape of `fmk_100k`, until `shapes-10m` is on record, which takes a GPU
    (docs/log.md).
    """
    return conv_pool(images, num_classes, stem=64, widths=(176, 480, 640))
