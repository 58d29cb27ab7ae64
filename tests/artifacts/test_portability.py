"""Files of every backend, opened on every backend where fmkeras is not to be had."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fmkeras.artifacts.rounding import compress_file
from fmkeras.datasets import DataNotFound, load_dataset

ROOT = Path(__file__).parents[2]
BACKENDS = ("torch", "tensorflow", "jax")
COUNT = 1_000
# Sums of so many products are rounded by more than 1e-5 of a probability on some
# processors: PyTorch adds the 12,544 products of fashionnet's last layer one after
# another in float32, TensorFlow in groups.
LONG_SUM = 1_000
# What another project would write, and no more; of the last layer with weights, what
# goes in and what comes out.
ELSEWHERE = """
import sys
import keras, numpy
try:
    import fmkeras
    sys.exit("fmkeras can be imported here")
except ImportError:
    pass
images = numpy.load(sys.argv[1])
outputs = {}
for path in sys.argv[3:]:
    model = keras.models.load_model(path)
    outputs[path] = model.predict(images, batch_size=500, verbose=0)
    last = [layer for layer in model.layers if layer.weights][-1]
    inside = keras.Model(model.inputs, [last.input, last.output])
    answers = inside.predict(images, batch_size=500, verbose=0)
    outputs[path + ":inputs"], outputs[path + ":logits"] = answers
    outputs[path + ":kernel"], outputs[path + ":bias"] = last.get_weights()
numpy.savez(sys.argv[2], **outputs)
"""


def run(command, backend, folder):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    try:
        dataset = load_dataset("fashion-mnist", download=False)
    except DataNotFound:
        dataset = load_dataset("garments", train_size=100, test_size=COUNT)
    path = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(path, dataset.x_test[:COUNT])
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small net trained here on each backend, and all of saved_models."""
    made = {}
    for backend in BACKENDS:
        folder = tmp_path_factory.mktemp(backend)
        flags = "train --model lenet_relu --data garments --train-size 500 --epochs 1"
        flags += f" --test-size 100 --runs {folder} --out {folder}"
        run([sys.executable, "-m", "fmkeras", *flags.split()], backend, ROOT)
        made[backend] = folder / "lenet_relu-garments.keras"
    # Compressed, as large networks are stored.
    compressed = tmp_path_factory.mktemp("compressed") / "mynet.keras"
    shutil.copy(ROOT / "saved_models/mynet.keras", compressed)
    compress_file(compressed)
    made["compressed"] = compressed
    return made | {p.stem: p for p in sorted(ROOT.glob("saved_models/*.keras"))}


@pytest.mark.slow
def test_every_file_gives_the_same_on_every_backend(tmp_path, images, files):
    answers = {}
    for backend in BACKENDS:
        path = tmp_path / f"{backend}.npz"
        paths = [str(file) for file in files.values()]
        command = [sys.executable, "-I", "-c", ELSEWHERE, images, path, *paths]
        run(command, backend, tmp_path)
        with np.load(path) as arrays:
            answers[backend] = dict(arrays)
    for name, file in files.items():
        path = str(file)
        expected = answers["torch"][path]
        assert expected.shape == (COUNT, 10)
        np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
        long = len(answers["torch"][path + ":kernel"]) > LONG_SUM
        assert long == (name == "fashionnet"), name
        for backend in BACKENDS:
            check = check_long_sum if long else check_probabilities
            check(answers[backend], answers["torch"], path)


def check_probabilities(answers, expected, path):
    difference = np.abs(answers[path] - expected[path]).max()
    assert difference <= 1e-5, (path, difference)


def check_long_sum(answers, expected, path):
    """What enters the last layer is the same; its sum is as exact as float32's are.

    Rounding of n products summed in a row is about sqrt(n) times the unit roundoff
    times the sum of their absolute values (Higham and Mary, 2019).
    """
    inputs = answers[path + ":inputs"]
    np.testing.assert_allclose(inputs, expected[path + ":inputs"], rtol=0, atol=1e-5)
    inputs = inputs.astype("float64")
    kernel = answers[path + ":kernel"].astype("float64")
    logits = inputs @ kernel + answers[path + ":bias"]
    rounding = len(kernel) ** 0.5 * 2**-24 * (np.abs(inputs) @ np.abs(kernel))
    error = np.abs(answers[path + ":logits"] - logits) / rounding
    assert error.max() <= 1, (path, error.max())
    # And a softmax of ten adds next to nothing.
    powers = np.exp(answers[path + ":logits"].astype("float64"))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers[path], probabilities, rtol=0, atol=1e-6)
