"""The figures that the sources published, each with the way to read ours beside it.

Read from the sources' code, notebooks and texts. Where a figure is a training accuracy,
or was taken at another epoch, ours beside it is the same kind of figure.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fmkeras.models import model_info

# What a source measured, and how a record of ours has it. 'At inference' is a pass over
# the images after the last epoch; 'running' what the steps of the last epoch added up.
QUANTITIES: dict[str, Callable[[dict], float]] = {
    "test accuracy": lambda record: record["test"]["accuracy"],
    "test loss": lambda record: record["inference"]["test"]["batch_loss"],
    "train accuracy": lambda record: record["inference"]["train"]["accuracy"],
    "train loss": lambda record: record["inference"]["train"]["batch_loss"],
    "train accuracy, augmented images": lambda record: record["inference"][
        "train_augmented"
    ]["accuracy"],
    "train accuracy, running": lambda record: record["train"]["accuracy"],
    "validation accuracy": lambda record: record["validation"]["accuracy"],
}
BY_EPOCH = {"test accuracy": "test_accuracy", "test loss": "test_loss"}


@dataclass(frozen=True)
class PublishedFigure:
    """One published number.

    Attributes:
        model: a name of the registry.
        quantity: a key of `QUANTITIES`.
        value: accuracies from 0 to 1, losses in nats.
        decimals: how many the source gives; of an accuracy, in per cent.
        recipe: the recipe it was trained by; None for the network's published one.
        epoch: after which it was taken, 1 the first; None for the last.
        note: how the source's protocol differs from ours.
    """

    model: str
    quantity: str
    value: float
    decimals: int
    recipe: str | None = None
    epoch: int | None = None
    note: str = ""

    @property
    def recipe_name(self) -> str:
        return self.recipe or model_info(self.model).recipe

    @property
    def is_accuracy(self) -> bool:
        return "accuracy" in self.quantity

    @property
    def unit(self) -> float:
        """The last digit that the source gives."""
        return 10.0 ** -(self.decimals + 2 * self.is_accuracy)

    def of(self, record: dict) -> float | None:
        """Return ours, from a run's record; None where the record has it not."""
        try:
            if self.epoch is None:
                return QUANTITIES[self.quantity](record)
            return record["history"][BY_EPOCH[self.quantity]][self.epoch - 1]
        except (KeyError, IndexError):
            return None

    def to_text(self, value: float) -> str:
        """Return a value as the source writes it."""
        if self.is_accuracy:
            return f"{100 * value:.{self.decimals}f} %"
        return f"{value:.{self.decimals}f}"


def _fashion_cnn(name, accuracy, train_accuracy, train_loss, test_loss):
    return (
        PublishedFigure(name, "test accuracy", accuracy, 1),
        PublishedFigure(name, "train accuracy", train_accuracy, 1),
        PublishedFigure(name, "train loss", train_loss, 3),
        PublishedFigure(name, "test loss", test_loss, 1),
    )


def _fashion_net(name, recipe, note=""):
    return tuple(
        PublishedFigure(name, quantity, value, 2, recipe, note=note)
        for quantity, value in (
            ("test accuracy", 0.9030),
            ("validation accuracy", 0.8935),
            ("train accuracy, augmented images", 0.9222),
        )
    )


_FROZEN = "epochs 2 to 60 without dropout, batch normalisation frozen"
_FROZEN_64 = f"the source's run: {_FROZEN}"
_FROZEN_28 = f"the source's run: 64 x 64, {_FROZEN}"
_TWO_SOFTMAXES = "at the source a softmax stood before the cross-entropy"
_WITHOUT_16 = "the source's test leaves out the last 16 images"
# Of a confusion matrix that the Tiny VGG study shows, of another run: its accuracy, the
# errors that are tops taken for shirts, and all errors.
TINYVGG_3_SHIRTS = (0.8664, 878, 1_336)
TINYVGG_3_EPOCHS = (
    (0.8333, 0.464),
    (0.8402, 0.435),
    (0.8610, 0.377),
    (0.8644, 0.392),
    (0.8698, 0.354),
    (0.8817, 0.340),
    (0.8806, 0.338),
    (0.8755, 0.342),
    (0.8777, 0.332),
    (0.8594, 0.378),
)
FIGURES = (
    *_fashion_cnn("mynet", 0.920, 0.999, 0.002, 9.2),
    *_fashion_cnn("lenet", 0.890, 1.000, 0.002, 0.9),
    *_fashion_cnn("alexnet_tiny", 0.916, 0.998, 0.455, 373_825.5),
    *_fashion_cnn("alexnet", 0.857, 0.907, 0.253, 1_832_086.1),
    *_fashion_cnn("vgg11", 0.923, 1.000, 0.001, 4.0),
    *_fashion_cnn("nin", 0.922, 0.984, 0.058, 4_089.5),
    *_fashion_cnn("googlenet", 0.943, 1.000, 0.003, 5.1),
    *_fashion_cnn("resnet18", 0.927, 1.000, 0.002, 16.7),
    *_fashion_cnn("densenet", 0.942, 1.000, 0.000, 13.1),
    *_fashion_net("fashionnet", None, _FROZEN_28),
    *_fashion_net("fashionnet", "fashionnet-frozen", "the source's run: 64 x 64"),
    *_fashion_net("fashionnet_64", None, _FROZEN_64),
    *_fashion_net("fashionnet_64", "fashionnet-frozen"),
    PublishedFigure("lenet_relu", "test accuracy", 0.8923, 2),
    PublishedFigure("lenet_relu", "train accuracy", 0.9442, 2),
    PublishedFigure(
        "lenet_relu",
        "train accuracy, running",
        0.8918,
        2,
        "batch-lr-grid",
        note="best of a grid of 40",
    ),
    # The same training as lenet-relu-final's, which is not run twice.
    PublishedFigure(
        "lenet_relu", "train accuracy, running", 0.9371, 2, note="best of a grid of 16"
    ),
    PublishedFigure(
        "logistic_regression", "test accuracy", 0.8439, 2, note=_TWO_SOFTMAXES
    ),
    PublishedFigure(
        "logistic_regression", "test accuracy", 0.8439, 2, "logistic-softmax"
    ),
    PublishedFigure("mlp", "test accuracy", 0.8842, 2, note=_TWO_SOFTMAXES),
    PublishedFigure("mlp", "test accuracy", 0.8842, 2, "mlp-softmax"),
    PublishedFigure("cnn", "test accuracy", 0.9159, 2),
    PublishedFigure("linear", "test accuracy", 0.7770, 2, epoch=6, note=_WITHOUT_16),
    PublishedFigure("linear", "test accuracy", 0.7089, 2, note=_WITHOUT_16),
    *(
        PublishedFigure(
            "tinyvgg_3", quantity, value, decimals, epoch=epoch, note=_WITHOUT_16
        )
        for epoch, figures in enumerate(TINYVGG_3_EPOCHS, start=1)
        if epoch in (6, 10)
        for quantity, value, decimals in zip(
            ("test accuracy", "test loss"), figures, (2, 3), strict=True
        )
    ),
)
