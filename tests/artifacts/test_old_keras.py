"""The shipped files in older versions of Keras, each in a folder of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from fmkeras.artifacts.keras_file import load_artifact, read_card
from fmkeras.artifacts.portable import NEWER_DEFAULTS, OLDEST

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "saved_models").glob("*.keras"))
# The oldest that opens them, two between; 3.15 is what the project itself uses.
VERSIONS = ("3.4.1", "3.5.0", "3.8.0", "3.12.0")
SCRIPT = """
import sys, keras, numpy as np
assert keras.__version__ == sys.argv[1], keras.__version__
images = np.load(sys.argv[2])
found = {
    str(number): keras.models.load_model(path).predict(images, verbose=0)
    for number, path in enumerate(sys.argv[4:])
}
np.savez(sys.argv[3], **found)
"""


@pytest.fixture(scope="session")
def environments(tmp_path_factory):
    """Return a function of a version: a folder with that Keras and nothing else."""

    def install(version):
        folder = tmp_path_factory.mktemp(f"keras-{version}")
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        subprocess.run([*pip, folder, f"keras=={version}"], check=True)
        return folder

    return install


@pytest.mark.slow
@pytest.mark.every_backend
@pytest.mark.parametrize("version", VERSIONS)
def test_older_versions_of_keras_predict_the_same(version, environments, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (16, 28, 28, 1))
    images = images.astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    given = [version, tmp_path / "images.npy", tmp_path / "found.npz", *FILES]
    environment = os.environ | {
        "PYTHONPATH": str(environments(version)),
        "KERAS_BACKEND": keras.backend.backend(),
    }

    # In another folder, so that nothing of this project is found.
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, *map(str, given)]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True)

    with np.load(tmp_path / "found.npz") as found:
        for number, path in enumerate(FILES):
            expected = load_artifact(path).predict(images, verbose=0)
            np.testing.assert_allclose(found[str(number)], expected, atol=1e-5)


def test_the_card_names_the_oldest_keras():
    assert VERSIONS[0].startswith(f"{OLDEST}.")
    for path in FILES:
        assert read_card(path)["keras"] == f"{OLDEST} or newer", path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_newer_default_is_in_a_file(path):
    import zipfile

    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    assert not set(NEWER_DEFAULTS) & set(keys(config))


def keys(config):
    if isinstance(config, dict):
        yield from config
        config = list(config.values())
    for value in config if isinstance(config, list) else ():
        yield from keys(value)
