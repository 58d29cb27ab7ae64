"""What the environment tells processes that train together."""

import pytest

from fmkeras.cli.devices import count_devices
from fmkeras.errors import UserError
from fmkeras.process.launched import is_one_of_several, process_environments


@pytest.mark.parametrize("backend", ["torch", "tensorflow", "jax"])
def test_each_process_is_told_of_the_others(backend, monkeypatch):
    assert not is_one_of_several(backend)
    for variables in process_environments(backend, 2, on_gpus=False):
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            assert is_one_of_several(backend)
            # What a launcher has divided is not divided again.
            assert count_devices(backend, None)[0] == 1


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr("fmkeras.process.launched.shutil.which", lambda name: name)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    monkeypatch.setattr("fmkeras.cli.devices._usable_gpus", lambda: 2)
    assert count_devices("jax", None) == (2, True)
    assert count_devices("jax", 1) == (1, True)
    with pytest.raises(UserError, match="1 to 2. Received: 3"):
        count_devices("jax", 3)
    for backend, wanted in (("jax", ["2", "5"]), ("torch", [None, None])):
        made = process_environments(backend, 2, on_gpus=True)
        assert [one.get("CUDA_VISIBLE_DEVICES") for one in made] == wanted
    assert [one["LOCAL_RANK"] for one in made] == ["0", "1"]


def test_a_cluster_that_cannot_be_read_is_told(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{worker")
    with pytest.raises(UserError, match="TF_CONFIG cannot be read"):
        is_one_of_several("tensorflow")
