"""What to say of a model that cannot be trained here."""

import keras

from fmkeras.errors import UserError


def refused(model: keras.Model, expected: str, received: str) -> UserError:
    """Return what to say of a model that `fmkeras.fit` does not train."""
    return UserError(
        f"'{model.name}' is not trained by fmkeras.fit; expected {expected}: use "
        f"model.fit, or change it. Received: {received}"
    )


def not_traced(model: keras.Model, error: Exception) -> UserError:
    """Return what to say where a training step cannot be made a graph."""
    return UserError(
        f"The training step of '{model.name}' does not become one graph on "
        f"{keras.backend.backend()}; expected layers without choices or random numbers "
        f"made in Python: use model.fit. Received: {first_line(error)}"
    )


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, shortened; its class without one."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
