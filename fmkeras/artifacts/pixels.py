"""The range of pixels that a model of another project was trained on.

Models of this project take raw pixels, 0 to 255, and scale them themselves. Others were
often given pixels that had been divided by 255 before: on raw ones they guess.
"""

from collections.abc import Mapping

import keras
import numpy as np

from fmkeras.engines.structure import class_scores, pack_images
from fmkeras.errors import UserError
from fmkeras.keras_internals import call_again, functional_graph
from fmkeras.labels import IMAGE_SHAPE
from fmkeras.models.registry import pixel_scale

RAW = "0..255"
# Of each range: the factor and the offset that make it of raw pixels.
RANGES = {
    RAW: (1.0, 0.0),
    "0..1": (1 / 255, 0.0),
    "-1..1": (2 / 255, -1.0),
    "standardised": pixel_scale("standardise"),
}
# Training images that are looked at, and by how much of them another range must be
# better to be pointed out: three standard errors are a twelfth.
SAMPLE = 300
FAR_BETTER = 0.1


def take_raw_pixels(model: keras.Model, pixels: str) -> keras.Model:
    """Return a model of raw pixels, of one that was trained on another range.

    The layers are the same, their weights too; a `Rescaling` comes before them. Raises
    `UserError` for an unknown range, or a model that takes whole numbers.
    """
    if pixels not in RANGES:
        raise UserError(
            f"Unknown range of pixels; expected one of {', '.join(RANGES)}. "
            f"Received: {pixels!r}"
        )
    graph = functional_graph(model)
    if pixels == RAW:
        return model
    if graph is None or "float" not in graph.inputs[0].dtype:
        raise UserError(
            f"The model '{model.name}' takes whole numbers, which are raw pixels; "
            f"expected pixels {RAW}. Received: {pixels}"
        )
    scale, offset = RANGES[pixels]
    inputs = keras.Input(IMAGE_SHAPE, name="raw_pixels")
    # The layers are called again, one by one, so that none is hidden in another.
    x = keras.layers.Rescaling(scale, offset, name="to_trained_range")(inputs)
    if len(graph.inputs[0].shape) == 3:
        x = keras.layers.Reshape(IMAGE_SHAPE[:2], name="to_rows")(x)
    outputs = call_again(graph, x)
    return keras.Model(inputs, class_scores(model, outputs), name=model.name)


def accuracy_by_range(
    model: keras.Model, images: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """Return the accuracy on a few images, uint8 (n, 28, 28), of each range."""
    found = {}
    for name, (scale, offset) in RANGES.items():
        pixels = images.astype(np.float32)[..., None] * scale + offset
        outputs = model(pack_images(model, pixels), training=False)
        scores = keras.ops.convert_to_numpy(class_scores(model, outputs))
        found[name] = float((scores.argmax(axis=1) == labels).mean())
    return found


def range_warning(name: str, accuracies: Mapping[str, float]) -> str | None:
    """Return what to say of a model that is far better on another range, or None."""
    best = max(accuracies, key=accuracies.get)
    raw = accuracies[RAW]
    if accuracies[best] < raw + FAR_BETTER:
        return None
    return (
        f"The model '{name}' seems to have been trained on pixels {best}, not {RAW}: "
        f"of {SAMPLE} training images it is right on {accuracies[best]:.0%} with such, "
        f"on {raw:.0%} with raw ones. --pixels {best} (make: PIXELS={best}) measures "
        "it so."
    )
