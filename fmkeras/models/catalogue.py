"""What is known of each network before it is built; importing this loads no keras."""

from dataclasses import dataclass

FASHION_CNN = "FashionCNN"
FASHION_NET = "FashionNet"
FASHION_MNIST_PYTORCH = "FashionMNIST-PyTorch"
DEEP_LEARNING_MODELS = "Deep Learning Models towards Fashion-MNIST"
TINY_VGG_STUDY = "Tiny VGG study"


@dataclass(frozen=True)
class ModelInfo:
    """One network of the registry.

    Attributes:
        name: the key given to `build_model`, and the name of the function.
        family: the module of `fmkeras.models` that holds the function.
        source: the project that the network comes from.
        parameters: trainable weights for ten classes and 28 x 28 x 1 pixels.
        input_size: height and width that the first weights see.
        recipe: the source's own training recipe, as named in `fmkeras.recipes`.
        published_accuracy: the source's figure on test images, 0 to 1, if any.
        published_note: what one must know to read that figure.
        options: further arguments that `build_model` takes for this network.
        smallest_input: least height and width of the images it can be built for.
        variant_of: the published network of the same family that it deepens.
    """

    name: str
    family: str
    source: str
    parameters: int
    input_size: int
    recipe: str
    published_accuracy: float | None = None
    published_note: str = ""
    options: tuple[str, ...] = ()
    smallest_input: int = 1
    variant_of: str | None = None


_ENTRIES = (
    ModelInfo(
        name="logistic_regression",
        family="dense",
        source=DEEP_LEARNING_MODELS,
        parameters=7_850,
        input_size=28,
        recipe="logistic",
        published_accuracy=0.8439,
    ),
    ModelInfo(
        name="linear",
        family="dense",
        source=TINY_VGG_STUDY,
        parameters=7_960,
        input_size=28,
        recipe="tinyvgg",
        published_accuracy=0.83,
        published_note="77.70 % in its last run",
    ),
    ModelInfo(
        name="mlp",
        family="dense",
        source=DEEP_LEARNING_MODELS,
        parameters=242_762,
        input_size=28,
        recipe="mlp",
        published_accuracy=0.8842,
        options=("hidden_units",),
    ),
    ModelInfo(
        name="lenet",
        family="lenet",
        source=FASHION_CNN,
        parameters=61_706,
        input_size=28,
        recipe="fashioncnn",
        published_accuracy=0.890,
        smallest_input=12,
    ),
    ModelInfo(
        name="lenet_relu",
        family="lenet",
        source=FASHION_MNIST_PYTORCH,
        parameters=32_998,
        input_size=28,
        recipe="lenet-relu-final",
        published_accuracy=0.8923,
        smallest_input=16,
    ),
    ModelInfo(
        name="mynet",
        family="mynet",
        source=FASHION_CNN,
        parameters=892_346,
        input_size=28,
        recipe="fashioncnn",
        published_accuracy=0.920,
        options=("dropout",),
        smallest_input=4,
    ),
    ModelInfo(
        name="cnn",
        family="cnn",
        source=DEEP_LEARNING_MODELS,
        parameters=426_346,
        input_size=28,
        recipe="cnn",
        published_accuracy=0.9159,
        options=("dropout",),
        smallest_input=4,
    ),
)
CATALOGUE = {info.name: info for info in _ENTRIES}
