"""GoogLeNet with batch normalisation."""

from keras import layers

from fmkeras.models.blocks import conv_norm_relu, dense, max_pool
from fmkeras.models.registry import register

# Filters of the four paths of each inception block, in the order of the network:
# 1x1; 1x1 then 3x3; 1x1 then 5x5; pooling then 1x1. "M" is a max pooling.
INCEPTIONS = (
    (64, (96, 128), (16, 32), 32),
    (128, (128, 192), (32, 96), 64),
    "M",
    (192, (96, 208), (16, 48), 64),
    (160, (112, 224), (24, 64), 64),
    (128, (128, 256), (24, 64), 64),
    (112, (144, 288), (32, 64), 64),
    (256, (160, 320), (32, 128), 128),
    (256, (160, 320), (32, 128), 128),
    (384, (192, 384), (48, 128), 128),
)


@register
def googlenet(images, num_classes):
    """Nine inception blocks on images of 96 pixels. From FashionCNN.

    It departs from Szegedy et al. (arXiv 1409.4842) as its source does: batch
    normalisation behind every convolution, the stem's padding of 5, no pooling
    before the last two blocks, and neither dropout nor auxiliary outputs.
    """
    x = conv_norm_relu(images, 64, 7, stride=2, padding=5, name="stem_1")
    x = max_pool(x, 3, stride=2, padding=1, name="stem_1_pool")  # 25 x 25 x 64
    x = conv_norm_relu(x, 64, 1, name="stem_2")
    x = conv_norm_relu(x, 192, 3, padding=1, name="stem_3")
    x = max_pool(x, 3, stride=2, padding=1, name="stem_3_pool")  # 13 x 13 x 192
    number = 1
    for filters in INCEPTIONS:
        if filters == "M":
            x = max_pool(x, 3, stride=2, padding=1, name="middle_pool")  # 7 x 7 x 480
        else:
            x = _inception(x, filters, name=f"inception_{number}")
            number += 1
    x = layers.GlobalAveragePooling2D(name="global_average")(x)  # 1024
    return dense(x, num_classes, name="logits")


def _inception(x, filters, *, name):
    first, second, third, fourth = filters
    a = conv_norm_relu(x, first, 1, name=f"{name}-path_1")
    b = conv_norm_relu(x, second[0], 1, name=f"{name}-path_2_reduce")
    b = conv_norm_relu(b, second[1], 3, padding=1, name=f"{name}-path_2")
    c = conv_norm_relu(x, third[0], 1, name=f"{name}-path_3_reduce")
    c = conv_norm_relu(c, third[1], 5, padding=2, name=f"{name}-path_3")
    d = max_pool(x, 3, stride=1, padding=1, name=f"{name}-path_4_pool")
    d = conv_norm_relu(d, fourth, 1, name=f"{name}-path_4")
    return layers.Concatenate(name=f"{name}-join")([a, b, c, d])
