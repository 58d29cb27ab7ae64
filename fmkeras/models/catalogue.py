"""What is known of each network before it is built; importing this loads no keras."""

from dataclasses import dataclass

FASHION_CNN = "FashionCNN"
FASHION_NET = "FashionNet"
FASHION_MNIST_PYTORCH = "FashionMNIST-PyTorch"
DEEP_LEARNING_MODELS = "Deep Learning Models towards Fashion-MNIST"
TINY_VGG_STUDY = "Tiny VGG study"
OWN = "this project"


@dataclass(frozen=True)
class ModelInfo:
    """One network of the registry.

    Attributes:
        name: the key given to `build_model`, and the name of the function.
        family: the module of `fmkeras.models` that holds the function.
        source: the project that the network comes from.
        parameters: trainable weights for ten classes and 28 x 28 x 1 pixels.
        recipe: the source's own training recipe, as named in `fmkeras.recipes`; None
            for this project's own networks.
        input_size: height and width that the first weights see.
        published_accuracy: the source's figure on test images after its last epoch, 0
            to 1, if any.
        published_rate: the source's images a second on an RTX 4090, if any: 70,000,
            divided by the time of its passes at inference over the training and the
            test images, the wait for its single-process data loader included.
        published_note: what one must know to read that figure.
        options: further arguments that `build_model` takes for this network.
        smallest_input: least height and width of the images it can be built for.
        variant_of: the one of the seventeen published networks that it varies: deeper,
            on larger images, or with layers added.
    """

    name: str
    family: str
    source: str
    parameters: int
    recipe: str | None
    input_size: int = 28
    published_accuracy: float | None = None
    published_rate: float | None = None
    published_note: str = ""
    options: tuple[str, ...] = ()
    smallest_input: int = 1
    variant_of: str | None = None


_ENTRIES = (
    ModelInfo(
        name="mynet",
        family="mynet",
        source=FASHION_CNN,
        parameters=892_346,
        recipe="fashioncnn",
        published_accuracy=0.920,
        published_rate=33_171.1,
        options=("dropout",),
        smallest_input=4,
    ),
    ModelInfo(
        name="lenet",
        family="lenet",
        source=FASHION_CNN,
        parameters=61_706,
        recipe="fashioncnn",
        published_accuracy=0.890,
        published_rate=31_055.0,
        smallest_input=12,
    ),
    ModelInfo(
        name="alexnet_tiny",
        family="alexnet",
        source=FASHION_CNN,
        parameters=3_661_514,
        recipe="fashioncnn",
        published_accuracy=0.916,
        published_rate=29_499.9,
        options=("dropout",),
        smallest_input=5,
    ),
    ModelInfo(
        name="alexnet",
        family="alexnet",
        source=FASHION_CNN,
        parameters=46_764_746,
        input_size=224,
        recipe="fashioncnn",
        published_accuracy=0.857,
        published_rate=7_251.7,
        options=("dropout",),
    ),
    ModelInfo(
        name="vgg11",
        family="vgg",
        source=FASHION_CNN,
        parameters=128_806_154,
        input_size=224,
        recipe="fashioncnn",
        published_accuracy=0.923,
        published_rate=2_106.5,
        options=("dropout",),
    ),
    ModelInfo(
        name="nin",
        family="nin",
        source=FASHION_CNN,
        parameters=1_992_166,
        input_size=224,
        recipe="fashioncnn",
        published_accuracy=0.922,
        published_rate=6_880.2,
        options=("dropout",),
    ),
    ModelInfo(
        name="googlenet",
        family="googlenet",
        source=FASHION_CNN,
        parameters=5_992_090,
        input_size=96,
        recipe="fashioncnn",
        published_accuracy=0.943,
        published_rate=10_574.0,
    ),
    ModelInfo(
        name="resnet18",
        family="resnet",
        source=FASHION_CNN,
        parameters=11_178_378,
        input_size=96,
        recipe="fashioncnn",
        published_accuracy=0.927,
        published_rate=16_537.2,
    ),
    ModelInfo(
        name="densenet",
        family="densenet",
        source=FASHION_CNN,
        parameters=757_730,
        input_size=96,
        recipe="fashioncnn",
        published_accuracy=0.942,
        published_rate=16_128.3,
        options=("growth", "layers_per_block"),
    ),
    ModelInfo(
        name="fashionnet",
        family="fashionnet",
        source=FASHION_NET,
        parameters=139_754,
        recipe="fashionnet",
        published_accuracy=0.9030,
        published_note="on 4,000 of the test images, which it saw at 64 x 64",
        options=("dropout",),
    ),
    ModelInfo(
        name="lenet_relu",
        family="lenet",
        source=FASHION_MNIST_PYTORCH,
        parameters=32_998,
        recipe="lenet-relu-final",
        published_accuracy=0.8923,
        smallest_input=16,
    ),
    ModelInfo(
        name="logistic_regression",
        family="dense",
        source=DEEP_LEARNING_MODELS,
        parameters=7_850,
        recipe="logistic",
        published_accuracy=0.8439,
    ),
    ModelInfo(
        name="mlp",
        family="dense",
        source=DEEP_LEARNING_MODELS,
        parameters=242_762,
        recipe="mlp",
        published_accuracy=0.8842,
        options=("hidden_units",),
    ),
    ModelInfo(
        name="cnn",
        family="cnn",
        source=DEEP_LEARNING_MODELS,
        parameters=1_663_146,
        recipe="cnn",
        published_accuracy=0.9159,
        options=("dropout",),
        smallest_input=4,
    ),
    ModelInfo(
        name="linear",
        family="dense",
        source=TINY_VGG_STUDY,
        parameters=7_960,
        recipe="tinyvgg-linear",
        published_accuracy=0.7089,
        published_note="after 10 epochs; 77.70 % after 6; its text says 83 %",
    ),
    ModelInfo(
        name="tinyvgg",
        family="tinyvgg",
        source=TINY_VGG_STUDY,
        parameters=7_740,
        recipe="tinyvgg",
        published_note="it did not train, says its text; no code of it is left",
        smallest_input=4,
    ),
    ModelInfo(
        name="tinyvgg_3",
        family="tinyvgg",
        source=TINY_VGG_STUDY,
        parameters=5_560,
        recipe="tinyvgg",
        published_accuracy=0.8594,
        published_note="after 10 epochs; 88.17 % after 6, the best",
        smallest_input=8,
    ),
    ModelInfo(
        name="tinyvgg_bn",
        family="tinyvgg",
        source=OWN,
        parameters=11_244,
        recipe=None,
        smallest_input=8,
        variant_of="tinyvgg_3",
    ),
    ModelInfo(
        name="fashionnet_64",
        family="fashionnet",
        source=FASHION_NET,
        parameters=669_674,
        input_size=64,
        recipe="fashionnet",
        published_accuracy=0.9030,
        published_note="on 4,000 of the test images",
        options=("dropout",),
        variant_of="fashionnet",
    ),
    ModelInfo(
        name="vgg13",
        family="vgg",
        source=FASHION_CNN,
        parameters=128_990_666,
        input_size=224,
        recipe="fashioncnn",
        options=("dropout",),
        variant_of="vgg11",
    ),
    ModelInfo(
        name="vgg16",
        family="vgg",
        source=FASHION_CNN,
        parameters=134_300_362,
        input_size=224,
        recipe="fashioncnn",
        options=("dropout",),
        variant_of="vgg11",
    ),
    ModelInfo(
        name="vgg19",
        family="vgg",
        source=FASHION_CNN,
        parameters=139_610_058,
        input_size=224,
        recipe="fashioncnn",
        options=("dropout",),
        variant_of="vgg11",
    ),
    ModelInfo(
        name="resnet34",
        family="resnet",
        source=FASHION_CNN,
        parameters=21_290_250,
        input_size=96,
        recipe="fashioncnn",
        variant_of="resnet18",
    ),
    ModelInfo(
        name="fmk_100k",
        family="fmk",
        source=OWN,
        parameters=99_178,
        recipe=None,
        smallest_input=8,
    ),
    ModelInfo(
        name="fmk_1m",
        family="fmk",
        source=OWN,
        parameters=909_354,
        recipe=None,
        smallest_input=8,
    ),
    ModelInfo(
        name="fmk_10m",
        family="fmk",
        source=OWN,
        parameters=9_677_578,
        recipe=None,
        smallest_input=8,
    ),
    ModelInfo(
        name="preact_resnet",
        family="preact_resnet",
        source=OWN,
        parameters=271_994,
        recipe=None,
        options=("depth", "width"),
        smallest_input=4,
    ),
    ModelInfo(
        name="conv_pool",
        family="conv_pool",
        source=OWN,
        parameters=1_972_754,
        recipe=None,
        options=("stem", "widths", "convs_per_stage"),
        smallest_input=8,
    ),
    ModelInfo(
        name="separable",
        family="separable",
        source=OWN,
        parameters=103_106,
        recipe=None,
        options=("widths", "blocks_per_stage", "expansion"),
        smallest_input=4,
    ),
)
CATALOGUE = {info.name: info for info in _ENTRIES}
