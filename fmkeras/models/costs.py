"""What one image costs each network: known without building one."""

# Multiplications with an addition, for ten classes and 28 x 28 pixels, as
# `summary.count_multiply_adds` counts them.
MULTIPLY_ADDS = {
    "mynet": 4_991_616,
    "lenet": 416_520,
    "alexnet_tiny": 177_813_504,
    "alexnet": 938_146_176,
    "vgg11": 7_547_232_256,
    "nin": 762_297_352,
    "googlenet": 431_967_744,
    "resnet18": 318_657_536,
    "densenet": 129_077_168,
    "fashionnet": 3_004_288,
    "lenet_relu": 232_440,
    "logistic_regression": 7_840,
    "mlp": 242_304,
    "cnn": 3_558_272,
    "linear": 7_940,
    "tinyvgg": 1_133_860,
    "tinyvgg_3": 1_218_060,
    "tinyvgg_bn": 1_223_560,
    "fashionnet_64": 15_695_872,
    "vgg13": 11_246_608_384,
    "vgg16": 15_408_406_528,
    "vgg19": 19_570_204_672,
    "resnet34": 658_396_160,
    "fmk_100k": 10_777_416,
    "preact_resnet": 31_021_952,
    "conv_pool": 110_247_808,
    "separable": 14_223_800,
}
