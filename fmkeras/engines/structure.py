"""Models of any structure, called with images and read for class scores.

Keras models take and give tensors, lists or dictionaries: `Model([x], [y])`, the
functional files of Keras 3.3 to 3.6, `Model(x, {"classes": y})`.
"""

import keras

from fmkeras.errors import UserError
from fmkeras.keras_internals import functional_graph, input_structure


def pack_images(model: keras.Model, images):
    """Return images in the structure that a model of one input wants to be given."""
    functional = functional_graph(model)
    if functional is None:
        return images
    return keras.tree.pack_sequence_as(input_structure(functional), [images])


def class_scores(model: keras.Model, outputs):
    """Return of a model's outputs, in any structure, the tensor of class scores."""
    flat = keras.tree.flatten(outputs)
    return flat[0] if len(flat) == 1 else flat[output_index(model)]


def output_index(model: keras.Model, num_classes: int | None = None) -> int:
    """Return which of a model's outputs, flattened, holds the class scores.

    The only one of shape (n, classes), or, where `num_classes` is given, the only one
    of that many. Raises `UserError` where none or several are.
    """
    shapes = [tuple(tensor.shape) for tensor in model.outputs]
    found = [
        index
        for index, shape in enumerate(shapes)
        if len(shape) == 2 and num_classes in (None, shape[1])
    ]
    if len(found) != 1:
        classes = "classes" if num_classes is None else num_classes
        raise UserError(
            f"The model '{model.name}' has {len(found) or 'no'} outputs of class "
            f"scores; expected one of shape (n, {classes}): cut the others off. "
            f"Received: {', '.join(map(str, shapes))}"
        )
    return found[0]
