"""Gradients of embeddings as whole tensors."""

from keras import ops


def dense_gradient(gradient, dtype: str):
    """Return a gradient as a tensor of `dtype` with a value for each of its weights.

    On tensorflow that of an embedding holds only the rows that were looked up.
    """
    gradient = ops.cast(gradient, dtype)
    if not hasattr(gradient, "dense_shape"):
        return gradient
    return ops.zeros(gradient.dense_shape, dtype) + gradient
