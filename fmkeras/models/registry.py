"""The networks by name: what there is, what is known of it, and building one."""

import importlib
import re
from collections.abc import Callable

from fmkeras.errors import unknown
from fmkeras.labels import (
    IMAGE_SHAPE,
    NUM_CLASSES,
    PIXEL_DEVIATION,
    PIXEL_MEAN,
)
from fmkeras.models.catalogue import CATALOGUE, OWN, ModelInfo
from fmkeras.models.initializers import initialize
from fmkeras.models.limits import MOST_PARAMETERS, limited_parameters
from fmkeras.models.options import check_arguments, check_options

_BUILDERS: dict[str, Callable] = {}


def register(builder: Callable) -> Callable:
    """Enter a function under its own name; it maps images to logits."""
    name = builder.__name__
    if name in _BUILDERS:
        raise ValueError(f"A network is registered once. Received twice: {name}")
    _BUILDERS[name] = builder
    return builder


def list_models(*, variants: bool = False) -> list[str]:
    """Return the names of the published networks, and of `variants` if asked."""
    return [
        name
        for name, info in CATALOGUE.items()
        if (variants if info.variant_of else info.source != OWN)
    ]


def list_own_models() -> list[str]:
    """Return the names of the networks that this project designed."""
    return [
        name
        for name, info in CATALOGUE.items()
        if info.source == OWN and info.variant_of is None
    ]


def plain_name(name: str) -> str:
    """Return a network's name as the registry writes it, another text as it is."""
    plain = re.sub(r"[\s-]+", "_", str(name).strip().lower())
    return plain if plain in CATALOGUE else name


def model_info(name: str) -> ModelInfo:
    """Return what is known of a network; raise `UserError` for an unknown name.

    Capitals count for nothing, nor do spaces and dashes in place of underscores.
    """
    plain = plain_name(name)
    if plain in CATALOGUE:
        return CATALOGUE[plain]
    raise unknown("model", name, CATALOGUE)


def build_model(
    name: str,
    num_classes: int = NUM_CLASSES,
    *,
    input_shape: tuple[int, int, int] = IMAGE_SHAPE,
    preprocessing: str = "scale",
    init: str = "keras",
    seed: int = 0,
    head: str = "logits",
    **options,
):
    """Build a network as a functional `keras.Model` of stock layers.

    It takes raw pixels, 0 to 255, (n, *input_shape): they are scaled inside, so give it
    images as they are, not divided by 255. It gives logits (n, num_classes), for a loss
    with `from_logits=True`, or with `head="probabilities"` a softmax of them, for
    Keras's default losses:

        model = build_model("lenet", head="probabilities")
        loss = "sparse_categorical_crossentropy"
        model.compile("adam", loss, metrics=["accuracy"])
        model.fit(x_train, y_train)

    `preprocessing` is the layer inside: 'scale' divides by 255, 'standardise' also
    takes the training pixels to mean 0 and deviation 1, and 'symmetric' maps 0 to 255
    onto -1 to 1. `init` and `seed` choose the initial weights (see `initialize`), the
    same on every backend. `options` are those that `model_info(name).options` names.

    Raises `UserError` for a name, an argument or an option of no use.
    """
    info = model_info(name)
    check_arguments(
        info,
        num_classes=num_classes,
        input_shape=input_shape,
        preprocessing=preprocessing,
        init=init,
        seed=seed,
        head=head,
    )
    check_options(info, options)

    model = _build_graph(info, num_classes, tuple(input_shape), preprocessing, options)
    initialize(model, init, seed)
    return model if head == "logits" else _with_softmax(model)


def build_graph(name: str, **options):
    """Build a network whose kernels are all zero, to read its graph: quicker."""
    info = model_info(name)
    check_options(info, options)
    return _build_graph(info, NUM_CLASSES, IMAGE_SHAPE, "scale", options)


def pixel_scale(preprocessing: str) -> tuple[float, float]:
    """Return the factor and the offset that a kind of preprocessing means."""
    if preprocessing == "standardise":
        return 1 / (255 * PIXEL_DEVIATION), -PIXEL_MEAN / PIXEL_DEVIATION
    if preprocessing == "symmetric":
        return 2 / 255, -1.0
    return 1 / 255, 0.0


def _build_graph(info, num_classes, input_shape, preprocessing, options):
    import keras  # here, so that listing the networks does not wait for it

    importlib.import_module(f"fmkeras.models.{info.family}")
    # A keras.json of another taste would make another network of the same layers.
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        pixels = keras.Input(input_shape, name="pixels")
        images = _preprocess(keras.layers, pixels, preprocessing, info.input_size)
        with limited_parameters(MOST_PARAMETERS, f"The network {info.name}"):
            logits = _BUILDERS[info.name](images, num_classes, **options)
        return keras.Model(pixels, logits, name=info.name)
    finally:
        keras.config.set_image_data_format(before)


def _with_softmax(model):
    import keras

    softmax = keras.layers.Softmax(name="probabilities", dtype="float32")
    return keras.Model(model.inputs[0], softmax(model.outputs[0]), name=model.name)


def _preprocess(layers, pixels, preprocessing, input_size):
    scale, offset = pixel_scale(preprocessing)
    images = layers.Rescaling(scale, offset, name="rescale")(pixels)
    if input_size != IMAGE_SHAPE[0]:
        images = layers.Resizing(
            input_size, input_size, interpolation="bilinear", name="resize"
        )(images)
    return images
