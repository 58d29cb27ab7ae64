"""Models of Keras's own, as `fmkeras.fit` and as `model.fit` train them."""

import time

import keras
import numpy as np

from fmkeras.training.any_model import fit, predict

NUM_CLASSES = 10


def convnet_example() -> keras.Model:
    """Build the network of Keras's example 'Simple MNIST convnet', for 28 x 28 x 1."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(NUM_CLASSES, activation="softmax"),
        ]
    )


def _application(name: str):
    def build() -> keras.Model:
        make = getattr(keras.applications, name)
        return make(weights=None, input_shape=(32, 32, 3), classes=NUM_CLASSES)

    return build


MODELS = {
    "convnet-example": convnet_example,
    "MobileNetV2": _application("MobileNetV2"),
    "ResNet50": _application("ResNet50"),
    "EfficientNetB0": _application("EfficientNetB0"),
}
# 45,000 images of 32 x 32 x 3 in float32 are half a gigabyte.
MOST_IMAGES = 16_384


class _Clock(keras.callbacks.Callback):
    """Times each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._began = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._began)


class FitCase:
    """A compiled Keras model and random images for it; subclasses say who trains.

    Images are float32 in 0..1 and labels integers, as in most scripts.
    """

    def __init__(self, name: str, batch_size: int) -> None:
        keras.utils.set_random_seed(0)
        self.model = MODELS[name]()
        self.model.compile(
            "adam", "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        shape = (MOST_IMAGES, *self.model.input_shape[1:])
        generator = np.random.default_rng(0)
        self.images = generator.random(shape, np.float32)
        self.labels = generator.integers(0, NUM_CLASSES, MOST_IMAGES)
        self.batch_size = batch_size

    def train(self, count: int) -> float:
        """Train on the first `count` images; return the seconds of the second epoch.

        The first traces or compiles the step, in a call of `fit` as long as most are.
        """
        clock = _Clock()
        self.fit(
            self.images[:count],
            self.labels[:count],
            epochs=2,
            batch_size=self.batch_size,
            callbacks=[clock],
        )
        return clock.seconds[-1]

    def predict(self, count: int, batch_size: int) -> None:
        """Predict the first `count` images, in batches of the function's own choice."""
        raise NotImplementedError

    def fit(self, images, labels, **arguments) -> None:
        raise NotImplementedError


class FmkerasFit(FitCase):
    """Trains by `fmkeras.fit` and predicts by `fmkeras.predict`."""

    def predict(self, count: int, batch_size: int) -> None:
        predict(self.model, self.images[:count])

    def fit(self, images, labels, **arguments) -> None:
        fit(self.model, images, labels, verbose=False, **arguments)


class ModelFit(FitCase):
    """Trains by `model.fit` and predicts by `model.predict`."""

    def predict(self, count: int, batch_size: int) -> None:
        self.model.predict(self.images[:count], verbose=0)

    def fit(self, images, labels, **arguments) -> None:
        self.model.fit(images, labels, verbose=0, **arguments)


CASES = {"fmkeras-fit": FmkerasFit, "model-fit": ModelFit}
