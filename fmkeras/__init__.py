"""Image classifiers on Fashion-MNIST, written once as Keras 3 functional models.

`KERAS_BACKEND` (torch, tensorflow or jax) chooses the backend and is read when
keras is first imported, so this module imports nothing.
"""

__version__ = "0.1.0"
