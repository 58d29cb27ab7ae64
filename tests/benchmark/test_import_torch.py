"""Weights of PyTorch projects brought in, those of two sources to their figures."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmkeras.__main__ import main
from fmkeras.artifacts.keras_file import load_artifact, read_card
from fmkeras.benchmark.pytorch import state_dict
from fmkeras.benchmark.pytorch.build import build_twin
from fmkeras.benchmark.pytorch.match import match_arrays
from fmkeras.benchmark.pytorch.state_dict import read_state_dict
from fmkeras.datasets import DataNotFound, load_dataset
from fmkeras.engines import predict
from fmkeras.errors import UserError
from fmkeras.models import build_model

ROOT = Path(__file__).resolve().parents[2]
# Not part of the project; see docs/results.md for where they come from.
PLACES = (
    os.environ.get("FMKERAS_PUBLISHED_WEIGHTS", "none"),
    ROOT / "data/published-weights",
    ROOT.parent / "shared/data/published-weights",
)
WEIGHTS = next((Path(p) for p in PLACES if Path(p).is_dir()), None)
needs_weights = pytest.mark.skipif(
    WEIGHTS is None, reason="the sources' own weights are not on this machine"
)


def foreign_lenet(seed=0):
    """lenet_relu with names of its own, as another project would have it."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 5),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(6, 12, 5),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(192, 120),
        torch.nn.ReLU(),
        torch.nn.Linear(120, 60),
        torch.nn.ReLU(),
        torch.nn.Linear(60, 10),
    )


@needs_weights
@pytest.mark.every_backend
@pytest.mark.parametrize(
    ("name", "accuracy"), [("logistic_regression", 0.8439), ("mlp", 0.8842)]
)
def test_published_weights_give_the_published_accuracy(
    name, accuracy, tmp_path, capsys
):
    try:
        load_dataset("fashion-mnist")
    except DataNotFound:
        pytest.skip("Fashion-MNIST is not on this machine")
    file, out = str(WEIGHTS / f"{name}.npz"), str(tmp_path / "out")
    code = main(["import-torch", file, "--model", name, "--out", out])
    assert code in (0, None)
    card = read_card(tmp_path / "out" / f"{name}.keras")
    assert card["test"]["accuracy"] == accuracy
    assert card["test"]["count"] == 10_000
    assert f"Accuracy {accuracy:.4f}" in capsys.readouterr().out


@needs_weights
def test_a_whole_module_is_refused_with_what_makes_a_state_dict_of_it():
    with pytest.raises(UserError, match="whole pickled module") as caught:
        read_state_dict(WEIGHTS / "mlp-whole-module.pt")
    message = str(caught.value)
    assert "\n" not in message
    assert "torch.load(" in message and "model.state_dict()" in message


def test_no_code_of_a_pickle_runs(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"weight": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match="runs code"):
        read_state_dict(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


def save_as(state, path):
    if path.suffix == ".npz":
        np.savez(path, **{key: value.numpy() for key, value in state.items()})
    elif path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".npz", ".safetensors"])
def test_every_kind_of_file_gives_the_same_model(suffix, tmp_path, capsys):
    theirs, path = foreign_lenet(), tmp_path / f"weights{suffix}"
    save_as(theirs.state_dict(), path)
    words = ["import-torch", str(path), "--model", "LeNet ReLU", "--preprocessing"]
    words += ["scale", "--out", str(tmp_path / "out")]
    assert main(words) in (0, None)
    model = load_artifact(tmp_path / "out/lenet_relu.keras")
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    with torch.no_grad():
        pixels = torch.tensor(images / 255.0, dtype=torch.float32)[:, None]
        expected = theirs.eval()(pixels).softmax(1).numpy()
    np.testing.assert_allclose(predict(model, images), expected, atol=1e-5)
    card = json.loads((tmp_path / "out/lenet_relu.json").read_text())
    assert card["imported"]["file"] == path.name
    assert card["imported"]["keys"]["dense_2.weight"] == "9.weight"


def test_a_checkpoint_is_searched_and_prefixes_are_dropped(tmp_path):
    state = {f"module.{k}": v for k, v in foreign_lenet().state_dict().items()}
    content = {"epoch": 3, "model": state, "optimizer": {"state": {}}}
    torch.save(content, tmp_path / "last.pth")
    found = read_state_dict(tmp_path / "last.pth")
    assert list(found)[:2] == ["0.weight", "0.bias"]


def test_keys_of_the_twin_decide_before_the_order():
    twin = build_twin("cnn")
    arrays = {k: v.numpy() for k, v in reversed(twin.state_dict().items())}
    pairs = match_arrays(build_model("cnn"), arrays)
    assert all(theirs == ours for theirs, ours, _ in pairs)


def test_shapes_decide_where_the_order_does_not_fit():
    arrays = {k: v.numpy() for k, v in reversed(foreign_lenet().state_dict().items())}
    found = {o: t for t, o, _ in match_arrays(build_model("lenet_relu"), arrays)}
    assert found["conv_1.weight"] == "0.weight" and found["logits.bias"] == "11.bias"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("9.bias"), "expected 10 arrays, as conv_1.weight"),
        (
            lambda arrays: arrays.update({"7.bias": np.zeros(119, np.float32)}),
            r"dense_1.bias of shape \(120,\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    arrays = {k: v.numpy() for k, v in foreign_lenet().state_dict().items()}
    change(arrays)
    with pytest.raises(UserError, match=message) as caught:
        match_arrays(build_model("lenet_relu"), arrays)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.h5", b"x", "Unknown kind of weights file"),
        ("w.pt", None, "No such file"),
        ("w.pt", b"no weights at all", "damaged"),
        ("w.npz", b"no weights at all", "damaged"),
        ("w.safetensors", b"no weights at all", "damaged"),
        ("w.npz", {}, "no arrays"),
    ],
)
def test_bad_files_end_in_one_line(name, content, message, tmp_path):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(UserError, match=message) as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)


def test_large_files_are_refused_by_what_they_declare(tmp_path, monkeypatch):
    monkeypatch.setattr(state_dict, "LARGEST_BYTES", 10_000)
    np.savez_compressed(tmp_path / "w.npz", a=np.zeros(100_000, np.float32))
    assert (tmp_path / "w.npz").stat().st_size < 10_000
    with pytest.raises(UserError, match="it declares 1 arrays of 400,128 bytes"):
        read_state_dict(tmp_path / "w.npz")


def test_a_folder_or_a_pipe_is_no_weights_file(tmp_path):
    os.mkfifo(tmp_path / "w.pt")
    (tmp_path / "w.npz").mkdir()
    for name in ("w.pt", "w.npz"):
        with pytest.raises(UserError, match="no regular file"):
            read_state_dict(tmp_path / name)
