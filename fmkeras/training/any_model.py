"""fmkeras.fit and fmkeras.predict: the engine for any Keras image classifier."""

import numbers
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np

from fmkeras.engines.compiled import create_compiled_engine
from fmkeras.engines.compiled.base import Arrays
from fmkeras.errors import UserError
from fmkeras.training.per_class import PerClassMetrics
from fmkeras.training.progress import ProgressBar


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    validation_data: Sequence[np.ndarray] | None = None,
    epochs: int = 1,
    batch_size: int | None = None,
    callbacks: Iterable[keras.callbacks.Callback] | None = None,
    sample_weight: np.ndarray | None = None,
    class_weight: Mapping[int, float] | None = None,
    initial_epoch: int = 0,
    shuffle: bool = True,
    seed: int = 0,
    verbose: bool = True,
) -> keras.callbacks.History:
    """Train a compiled Keras model with the engine; return what `model.fit` returns.

    Optimizer, loss, metrics, regularizers and weights of samples are the model's own,
    and the arithmetic is that of `model.fit`; weights and history equal it to rounding
    where the order of the samples is the same and no layer draws random numbers. The
    order of an epoch follows from (seed, epoch) alone. On torch the step is traced to
    one graph whose layers run as torch's own fused functions; `jit_compile=True` of
    `model.compile` gives that graph to Inductor too. Callbacks without batch hooks are
    called once an epoch, and many steps then go into one call.

    Args:
        model: one input, one output; functional, or sequential that begins with a
            `keras.Input`; a subclass of these that has no `train_step` of its own.
        x: images, (n, ...), of any size and number of channels, uint8 or float, in
            the range that the model takes: nothing is scaled.
        y: what the model's loss takes: integers (n,) or (n, 1), or rows (n, classes).
        validation_data: (x, y) or (x, y, sample_weight), measured after each epoch.
        epochs, batch_size, initial_epoch: as in `model.fit`; 32 images a batch by
            default.
        callbacks: Keras's, or None; a `PerClassMetrics` among them is called first.
        sample_weight: (n,), of each sample in the loss and the weighted metrics.
        class_weight: weight by class number, as in `model.fit`.
        shuffle: False keeps the order of `x` in every epoch.
        seed: of the order, and on torch of dropout; 0 or more.
        verbose: a bar, and a line an epoch.

    Raises:
        UserError: before any training, where the model or the data do not fit; what
            `model.fit` might take nevertheless is said there.
    """
    train = _arrays("x and y", x, y, _sample_weights(y, sample_weight, class_weight))
    _check_shape(model, train.images, "x")
    validation = None
    if validation_data is not None:
        if len(validation_data) not in (2, 3):
            raise UserError(
                "validation_data is (x, y) or (x, y, sample_weight). Received: "
                f"{len(validation_data)} arrays"
            )
        validation = _arrays("validation_data", *validation_data)
        _check_shape(model, validation.images, "validation_data")
    batch_size = 32 if batch_size is None else batch_size
    for name, value, least in (
        ("epochs", epochs, 0),
        ("batch_size", batch_size, 1),
        ("initial_epoch", initial_epoch, 0),
        ("seed", seed, 0),
    ):
        if not isinstance(value, numbers.Integral) or value < least:
            raise UserError(
                f"{name} is a whole number of {least} or more. Received: {value!r}"
            )
    # Its figures are for the others to read.
    callbacks = sorted(
        callbacks or (), key=lambda one: not isinstance(one, PerClassMetrics)
    )
    bar = None
    if verbose:
        bar = ProgressBar(len(train), batch_size)
        callbacks.append(bar)
    try:
        return create_compiled_engine(model).fit(
            train,
            validation,
            epochs=epochs,
            batch_size=batch_size,
            initial_epoch=initial_epoch,
            shuffle=shuffle,
            seed=seed,
            callbacks=callbacks,
        )
    finally:
        if bar is not None:
            bar.close()


def _check_shape(model: keras.Model, images: np.ndarray, name: str) -> None:
    """Raise `UserError` for images that the model does not take."""
    wanted = model.inputs[0].shape if getattr(model, "inputs", None) else ()
    if len(wanted) != images.ndim:
        # Keras adds or takes an axis of one channel, or says why it cannot.
        return
    sizes = zip(wanted[1:], images.shape[1:], strict=True)
    if any(size not in (None, found) for size, found in sizes):
        raise UserError(
            f"The images of {name} do not fit '{model.name}'; expected "
            f"{tuple(wanted)}. Received: {images.shape}"
        )


def predict(
    model: keras.Model, x: np.ndarray, batch_size: int | None = None
) -> np.ndarray:
    """Return a model's outputs for images, (n, classes), as `model.predict` does.

    `x` are images (n, ...) of any size the model takes, uint8 or float. The engine
    predicts where it can trace the model, Keras where it cannot. `batch_size` follows
    from the model's size by default. Raises `UserError` for images that the model does
    not take, and for none.
    """
    x = np.asarray(x)
    if not x.ndim or not len(x):
        raise UserError(
            f"There is nothing to predict; expected images, (n, ...). Received: shape "
            f"{x.shape}"
        )
    single = all(
        len(getattr(model, side, None) or ()) == 1 for side in ("inputs", "outputs")
    )
    if not single:
        return model.predict(x, batch_size=batch_size, verbose=0)
    _check_shape(model, x, "x")
    return create_compiled_engine(model).predict(_on_backend(x), batch_size)


def _arrays(name: str, x, y, weights=None) -> Arrays:
    arrays = Arrays(
        *(None if part is None else np.asarray(part) for part in (x, y, weights))
    )
    counts = {len(part) if part.ndim else 0 for part in arrays.parts()}
    if counts == {0} or len(counts) > 1:
        shapes = ", ".join(str(part.shape) for part in arrays.parts())
        raise UserError(
            f"The {name} are arrays of as many samples, at least one. Received: "
            f"shapes {shapes}"
        )
    for part in arrays.parts():
        if part.dtype.kind not in "uifb":
            raise UserError(
                f"The {name} are arrays of numbers. Received: type {part.dtype}"
            )
    return Arrays(*(None if part is None else _on_backend(part) for part in arrays))


def _on_backend(part: np.ndarray) -> np.ndarray:
    """Return numbers in a type that every backend has, as Keras's adapters do."""
    if part.dtype.kind == "f":
        return part.astype("float32", copy=False)
    if part.dtype.kind == "u" and part.dtype.itemsize > 1:
        return part.astype("int64")
    return part


def _sample_weights(y, sample_weight, class_weight) -> np.ndarray | None:
    if class_weight is None:
        return sample_weight
    if sample_weight is not None:
        raise UserError(
            "class_weight and sample_weight exclude each other; expected one of them. "
            "Received: both"
        )
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels.argmax(-1) if labels.shape[-1] > 1 else labels[:, 0]
    return np.array([class_weight.get(int(label), 1.0) for label in labels], "float32")
