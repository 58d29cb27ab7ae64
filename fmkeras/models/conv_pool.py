"""Convolutions and max pooling, in the manner of CIFAR-10's speed records."""

from keras import layers

from fmkeras.models.blocks import batch_norm, bias_free_conv, dense, max_pool
from fmkeras.models.registry import register


@register
def conv_pool(
    images, num_classes, *, stem=24, widths=(64, 256, 256), convs_per_stage=2
):
    """Stages of 14, 7 and 3 pixels, each pooled after its first convolution.

    `stem` filters of 3 x 3 at 28 pixels, then a stage for each of `widths` with
    `convs_per_stage` convolutions; from three on, the last two are a residual branch.
    Follows airbench94 and airbench96 (Jordan, arXiv 2404.00498): pooling before
    normalisation, GELU, the largest value of the last stage. Departs from them in the
    first convolution, which is 3 x 3 and trained.
    """
    x = _conv_norm_gelu(images, stem, name="stem")  # 28 x 28
    for stage, filters in enumerate(widths, start=1):
        name = f"stage_{stage}"
        x = bias_free_conv(x, filters, 3, padding=1, name=f"{name}-conv_1")
        x = max_pool(x, 2, name=f"{name}-pool")  # 14, 7 and 3 pixels
        x = _norm_gelu(x, name=f"{name}-post_1")
        shortcut = x
        for number in range(2, convs_per_stage + 1):
            x = bias_free_conv(x, filters, 3, padding=1, name=f"{name}-conv_{number}")
            x = batch_norm(x, name=f"{name}-post_{number}-norm")
            if number == convs_per_stage > 2:
                x = layers.Add(name=f"{name}-add")([shortcut, x])
            x = _gelu(x, name=f"{name}-post_{number}-gelu")
    x = layers.GlobalMaxPooling2D(name="global_max")(x)
    return dense(x, num_classes, name="logits")


def _conv_norm_gelu(x, filters, *, name):
    x = bias_free_conv(x, filters, 3, padding=1, name=name)
    return _norm_gelu(x, name=f"{name}-post")


def _norm_gelu(x, *, name):
    x = batch_norm(x, name=f"{name}-norm")
    return _gelu(x, name=f"{name}-gelu")


def _gelu(x, *, name):
    return layers.Activation("gelu", name=name)(x)
