"""Run one exported file in its own runtime, in a process of its own.

Run as `python -m fmkeras.export.runtimes FORMAT FILE IMAGES OUTPUTS REPEATS`: IMAGES
is a `.npy` file, float32 (n, 28, 28, 1); OUTPUTS becomes a `.npz` file of
`probabilities`, `one` (those of the first image alone), `seconds`, of REPEATS single
images, on one thread, and `busy_cores`, what other processes took meanwhile.
"""

import sys
import time
from collections.abc import Callable

import numpy as np

from fmkeras.process.busy import OtherProcesses

WARM_UP = 10
BATCH = 500
# The kernel counts hundredths of a second; a shorter look would round too much.
LOOK = 0.3


def open_onnx(path: str) -> Callable:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda pixels: session.run(None, {name: pixels})[0]


def open_litert(path: str) -> Callable:
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(path, num_threads=1)
    takes, gives = model.get_input_details()[0], model.get_output_details()[0]
    shape = None

    def run(pixels):
        nonlocal shape
        if pixels.shape != shape:
            shape = pixels.shape
            model.resize_tensor_input(takes["index"], shape)
            model.allocate_tensors()
        model.set_tensor(takes["index"], pixels)
        model.invoke()
        return model.get_tensor(gives["index"])

    return run


def open_saved_model(path: str) -> Callable:
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    model = tensorflow.saved_model.load(path)
    return lambda pixels: model.serve(pixels).numpy()


def open_torch(path: str) -> Callable:
    import torch

    torch.set_num_threads(1)
    model = torch.export.load(path).module()

    def run(pixels):
        with torch.no_grad():
            return model(torch.from_numpy(pixels)).numpy()

    return run


def open_openvino(path: str) -> Callable:
    import openvino

    flags = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(path, "CPU", flags)
    return lambda pixels: model(pixels)[0]


def open_keras(path: str) -> Callable:
    import keras

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(1)
    model = keras.models.load_model(path, compile=False, safe_mode=True)
    return model.predict_on_batch


RUNTIMES = {
    "onnx": open_onnx,
    "litert": open_litert,
    "saved_model": open_saved_model,
    "torch": open_torch,
    "openvino": open_openvino,
    "litert-int8": open_litert,
    "keras-int8": open_keras,
}


def measure(run: Callable, pixels: np.ndarray, repeats: int) -> dict:
    """Return `probabilities` (n, classes), `one` (1, classes) and `seconds` (repeats,).

    `run(pixels)` takes any number of images; a batch is `BATCH` at most. Where images
    are timed, `busy_cores` are those that other processes kept busy just before or
    just after, whichever were more.
    """
    one = np.array(run(pixels[:1]))
    batches = [pixels[i : i + BATCH] for i in range(0, len(pixels), BATCH)]
    probabilities = np.concatenate([np.array(run(batch)) for batch in batches])
    result = {"probabilities": probabilities, "one": one, "seconds": []}
    if not repeats:
        return result
    before, seconds = busy_cores(), []
    for index in range(WARM_UP + repeats):
        image = pixels[index % len(pixels)][None]
        start = time.perf_counter()
        run(image)
        seconds.append(time.perf_counter() - start)
    busy = max(before, busy_cores())
    return result | {"seconds": seconds[WARM_UP:], "busy_cores": busy}


def busy_cores(seconds: float = LOOK) -> float:
    """Return how many cores other processes keep busy; NaN where Linux does not tell.

    Looks for `seconds`, in which this process rests.
    """
    others = OtherProcesses()
    time.sleep(seconds)
    return others.busy_cores()


def main(words: list[str]) -> None:
    name, path, images, outputs, repeats = words
    pixels = np.load(images)
    result = measure(RUNTIMES[name](path), pixels, int(repeats))
    np.savez(outputs, **result)


if __name__ == "__main__":
    main(sys.argv[1:])
