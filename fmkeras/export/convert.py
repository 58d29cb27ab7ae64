"""Convert one `.keras` file, in a process whose backend can do it.

Run as `python -m fmkeras.export.convert MODEL FORMAT TARGET CALIBRATION` with
`KERAS_BACKEND` set; MODEL is what `standard_model` makes, CALIBRATION a `.npy` file of
images that int8 is fitted on.
"""

import sys
import warnings

import numpy as np

from fmkeras.export.formats import FORMATS, ExportFormat
from fmkeras.export.onnx_operators import register_operators
from fmkeras.labels import IMAGE_SHAPE


def convert(model, export_format: ExportFormat, target: str, calibration) -> None:
    """Write a model that `standard_model` made to `target`.

    `calibration` is float32 (n, 28, 28, 1). The input stays float32 of raw pixels and
    the output probabilities, int8 or not.
    """
    if export_format.keras_format is None:
        _quantize(model).save(target)
        return
    kind, flags = export_format.keras_format, {}
    if kind == "onnx":
        register_operators()
        # Keras exports to ONNX only what was called before.
        model(np.zeros((1, *IMAGE_SHAPE), np.float32))
    if kind == "torch":
        import torch

        # Without no_grad torch cannot read the file of a free batch size back.
        with torch.no_grad():
            batch = {0: torch.export.Dim("batch")}
            model.export(target, format=kind, verbose=False, dynamic_shapes=batch)
        return
    if export_format.quantized:
        import tensorflow

        flags["optimizations"] = [tensorflow.lite.Optimize.DEFAULT]
        flags["representative_dataset"] = lambda: ([one[None]] for one in calibration)
    model.export(target, format=kind, verbose=False, **flags)


def _quantize(model):
    """Return `model` with the weights of its dense layers in int8."""
    with warnings.catch_warnings():
        # Keras warns of each layer that has no int8 form and stays as it is.
        warnings.filterwarnings("ignore", message=".*`quantize` method.*")
        model.quantize("int8")
    return model


def main(words: list[str]) -> None:
    import keras

    path, name, target, calibration = words
    model = keras.models.load_model(path, compile=False, safe_mode=True)
    convert(model, FORMATS[name], target, np.load(calibration))


if __name__ == "__main__":
    main(sys.argv[1:])
