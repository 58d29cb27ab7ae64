"""The formats a model is exported to: who converts, who runs it, how it is loaded."""

import importlib.util
from dataclasses import dataclass

from fmkeras.errors import UserError, did_you_mean

INSTALL = "pip install 'fmkeras[export]', or make export, which does it"


@dataclass(frozen=True)
class ExportFormat:
    """One format.

    Attributes:
        name: as on the command line.
        backend: the Keras backend that converts; None: whichever runs.
        keras_format: `format` of `keras.Model.export`; None for a `.keras` file.
        suffix: of the file; "" for a folder.
        packages: what converting and running need beside Keras.
        runtime: the package that runs the file, as pip knows it.
        quantized: whether the file holds int8 weights, so that outputs differ.
        load: the lines of an example that give `probabilities` of `pixels`, float32
            (n, 28, 28, 1).
    """

    name: str
    backend: str | None
    keras_format: str | None
    suffix: str
    packages: tuple[str, ...]
    runtime: str
    load: str
    quantized: bool = False

    def missing(self) -> list[str]:
        """Return the packages that are not installed."""
        needed = self.packages
        if self.backend is not None:
            needed = (self.backend, *needed)
        return [name for name in needed if importlib.util.find_spec(name) is None]

    def filename(self, model: str) -> str:
        """Return the name of the file, or folder, of a model."""
        if self.suffix == "":
            return model
        return f"{model}{'-int8' if self.quantized else ''}{self.suffix}"


_LITERT = """\
from ai_edge_litert.interpreter import Interpreter

model = Interpreter("{file}")
model.resize_tensor_input(model.get_input_details()[0]["index"], pixels.shape)
model.allocate_tensors()
model.set_tensor(model.get_input_details()[0]["index"], pixels)
model.invoke()
probabilities = model.get_tensor(model.get_output_details()[0]["index"])"""

_ALL = (
    ExportFormat(
        name="onnx",
        backend="tensorflow",
        keras_format="onnx",
        suffix=".onnx",
        packages=("tf2onnx", "onnx", "onnxruntime"),
        runtime="onnxruntime",
        load="""\
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
(probabilities,) = session.run(None, {{session.get_inputs()[0].name: pixels}})""",
    ),
    ExportFormat(
        name="litert",
        backend="tensorflow",
        keras_format="litert",
        suffix=".tflite",
        packages=("ai_edge_litert",),
        runtime="ai-edge-litert",
        load=_LITERT,
    ),
    ExportFormat(
        name="saved_model",
        backend="tensorflow",
        keras_format="tf_saved_model",
        suffix="",
        packages=(),
        runtime="tensorflow",
        load="""\
import tensorflow

model = tensorflow.saved_model.load("{file}")
probabilities = model.serve(pixels).numpy()""",
    ),
    ExportFormat(
        name="torch",
        backend="torch",
        keras_format="torch",
        suffix=".pt2",
        packages=(),
        runtime="torch",
        load="""\
import torch

model = torch.export.load("{file}").module()
with torch.no_grad():
    probabilities = model(torch.from_numpy(pixels)).numpy()""",
    ),
    ExportFormat(
        name="openvino",
        backend="tensorflow",
        keras_format="openvino",
        suffix=".xml",
        packages=("openvino",),
        runtime="openvino",
        load="""\
import openvino

exact = {{"INFERENCE_PRECISION_HINT": "f32"}}
model = openvino.Core().compile_model("{file}", "CPU", exact)
probabilities = model(pixels)[0]""",
    ),
    ExportFormat(
        name="litert-int8",
        backend="tensorflow",
        keras_format="litert",
        suffix=".tflite",
        packages=("ai_edge_litert",),
        runtime="ai-edge-litert",
        load=_LITERT,
        quantized=True,
    ),
    ExportFormat(
        name="keras-int8",
        backend=None,
        keras_format=None,
        suffix=".keras",
        packages=(),
        runtime="keras",
        load="""\
import keras

model = keras.models.load_model("{file}")
probabilities = model.predict(pixels)""",
        quantized=True,
    ),
)
FORMATS = {one.name: one for one in _ALL}


def find_format(name: str) -> ExportFormat:
    """Return the format of that name; raise `UserError` where there is none."""
    if name not in FORMATS:
        raise UserError(
            f"Unknown format; expected one of {', '.join(FORMATS)}, or all."
            f"{did_you_mean(name, FORMATS)} Received: {name!r}"
        )
    return FORMATS[name]


def check_packages(export_format: ExportFormat) -> None:
    """Raise `UserError` where a package of the format is not installed."""
    if missing := export_format.missing():
        raise UserError(
            f"The format {export_format.name} needs packages that are not installed; "
            f"expected {', '.join(missing)}: {INSTALL}."
        )
