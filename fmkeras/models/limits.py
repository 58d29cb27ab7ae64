"""A limit on the weights of a model that is being built, before they take memory."""

import contextlib
import math
from collections.abc import Iterator

from fmkeras.errors import UserError

# The largest of our networks, vgg19, has 140 million.
MOST_PARAMETERS = 500_000_000


@contextlib.contextmanager
def limited_parameters(most: int, what: str) -> Iterator[None]:
    """Raise `UserError` as soon as the layers built within declare too many weights.

    Each layer asks for its weights by their shape; the one that goes beyond `most` gets
    none. `what` says in the message whose weights they are.
    """
    import keras

    own = keras.layers.Layer.add_weight
    total, refused = 0, []

    def add_weight(layer, shape=None, *args, **kwargs):
        nonlocal total
        sizes = (shape,) if isinstance(shape, int) else shape or ()
        total += math.prod(max(int(size), 0) for size in sizes)
        if total > most:
            error = UserError(
                f"{what} has too many weights; expected at most {most:,}: use smaller "
                f"layers. Received: {total:,} or more, with its layer '{layer.name}'"
            )
            refused.append(error)
            raise error
        return own(layer, shape, *args, **kwargs)

    keras.layers.Layer.add_weight = add_weight
    try:
        yield
    except Exception as error:
        # Keras wraps it in messages of its own.
        if refused:
            raise refused[0] from error
        raise
    finally:
        keras.layers.Layer.add_weight = own
