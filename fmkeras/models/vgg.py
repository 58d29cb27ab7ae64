"""VGG: groups of 3 x 3 convolutions, a pooling behind each group."""

from fmkeras.models.blocks import conv, max_pool, two_dense_head
from fmkeras.models.registry import register

# Convolutions by their number of filters; "M" is a max pooling.
# fmt: off
VGG_11 = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
VGG_13 = (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
VGG_16 = (
    64, 64, "M", 128, 128, "M", 256, 256, 256, "M",
    512, 512, 512, "M", 512, 512, 512, "M",
)
VGG_19 = (
    64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M",
    512, 512, 512, 512, "M", 512, 512, 512, 512, "M",
)
# fmt: on


@register
def vgg11(images, num_classes, *, dropout=0.5):
    """Eight convolutions and three dense layers at 224 pixels. From FashionCNN."""
    return _vgg(images, VGG_11, num_classes, dropout)


@register
def vgg13(images, num_classes, *, dropout=0.5):
    """Ten convolutions. After Simonyan and Zisserman, arXiv 1409.1556."""
    return _vgg(images, VGG_13, num_classes, dropout)


@register
def vgg16(images, num_classes, *, dropout=0.5):
    """Thirteen convolutions. After Simonyan and Zisserman, arXiv 1409.1556."""
    return _vgg(images, VGG_16, num_classes, dropout)


@register
def vgg19(images, num_classes, *, dropout=0.5):
    """Sixteen convolutions. After Simonyan and Zisserman, arXiv 1409.1556."""
    return _vgg(images, VGG_19, num_classes, dropout)


def _vgg(x, plan, num_classes, dropout):
    stage, number = 1, 1
    for filters in plan:
        if filters == "M":
            x = max_pool(x, 2, name=f"stage_{stage}-pool")  # 112, 56, 28, 14, 7
            stage, number = stage + 1, 1
        else:
            name = f"stage_{stage}-conv_{number}"
            x = conv(x, filters, 3, padding=1, activation="relu", name=name)
            number += 1
    return two_dense_head(x, 4096, num_classes, dropout)
