"""This side of the speed measurement: our engine, and Keras's own `fit`."""

import numpy as np

from fmkeras.datasets.splits import Subset
from fmkeras.engines import create_engine
from fmkeras.recipes import Recipe
from fmkeras.training.builders import (
    build_augmentation,
    build_loss,
    build_network,
    build_optimizer,
)

RECIPE = Recipe(name="benchmark")
# What may happen to the training images on the way.
CHANGES = {
    "none": {},
    "crop-flip": {"crop_padding": 2, "flip": True},
    "all": {"crop_padding": 2, "flip": True, "rotation": 15.0, "erasing": 0.5},
}


class EngineCase:
    """One network in our engine, with everything a run does but its files.

    images: uint8 (n, side, side); labels: (n,).
    """

    def __init__(
        self,
        name,
        images,
        labels,
        batch_size,
        precision="float32",
        compiled=False,
        augmentation="none",
    ):
        self.images, self.labels = images, labels
        self.batch_size = batch_size
        self.engine = create_engine(
            _network(name, precision, images),
            build_optimizer(RECIPE, 1),
            build_loss(RECIPE),
            augmentation=build_augmentation(RECIPE.replace(**CHANGES[augmentation])),
            compile_step=compiled,
        )
        self.epoch = 0

    def train(self, count: int) -> None:
        """Train one epoch on the first `count` images."""
        self.engine.fit(
            Subset(self.images[:count], self.labels[:count]),
            epochs=self.epoch + 1,
            initial_epoch=self.epoch,
            batch_size=self.batch_size,
        )
        self.epoch += 1

    def predict(self, count: int, batch_size: int) -> None:
        """Compute the logits of the first `count` images."""
        self.engine.predict(self.images[:count], batch_size)


class KerasFit:
    """The same network as `model.fit` and `model.predict` train and use it."""

    def __init__(self, name, images, labels, batch_size):
        self.images = images[..., None]
        self.targets = np.eye(10, dtype=np.float32)[labels]
        self.batch_size = batch_size
        self.model = _network(name, "float32", images)
        self.model.compile(
            build_optimizer(RECIPE, 1), build_loss(RECIPE), metrics=["accuracy"]
        )

    def train(self, count: int) -> None:
        """Train one epoch on the first `count` images."""
        self.model.fit(
            self.images[:count],
            self.targets[:count],
            batch_size=self.batch_size,
            verbose=0,
        )

    def predict(self, count: int, batch_size: int) -> None:
        """Compute the logits of the first `count` images."""
        self.model.predict(self.images[:count], batch_size, verbose=0)


def _network(name, precision, images):
    options = {"input_shape": (*images.shape[1:], 1)}
    return build_network(name, RECIPE, precision, seed=0, model_options=options)
