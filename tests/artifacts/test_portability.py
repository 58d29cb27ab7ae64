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
# What another project would write, and no more.
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
        expected = answers["torch"][str(file)]
        assert expected.shape == (COUNT, 10)
        np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
        for backend in BACKENDS:
            difference = np.abs(answers[backend][str(file)] - expected).max()
            assert difference <= 1e-5, (name, backend, difference)
