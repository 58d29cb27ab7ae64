"""Model files and cards that cost far more than their bytes are refused, quickly."""

import io
import json
import os
import struct
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest

from fmkeras.artifacts.keras_file import load_artifact, read_card, save_artifact
from fmkeras.errors import UserError
from fmkeras.models import build_model

SECONDS = 10


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The members of a small model's file."""
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = keras.layers.Flatten(name="flatten")(pixels)
    model = keras.Model(pixels, keras.layers.Dense(10, name="logits")(x), name="small")
    path = save_artifact(model, "small", {}, tmp_path_factory.mktemp("small"))
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def refusal(path):
    """Return the one line that a model file is refused with, within seconds."""
    began = time.process_time()
    with pytest.raises(UserError) as caught:
        load_artifact(path)
    assert time.process_time() - began < SECONDS
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000
    return message


def write(path, parts, kind=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def with_config(parts, old, new):
    config = parts["config.json"].decode()
    assert old in config
    return parts | {"config.json": config.replace(old, new)}


def test_a_config_of_gigabytes_is_not_unpacked(parts, tmp_path):
    path = tmp_path / "bomb.keras"
    spaces = b" " * (1 << 24)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
                for _ in range(16 if name == "config.json" else 0):
                    member.write(spaces)
    assert path.stat().st_size < 1 << 20
    assert "declares 268," in refusal(path)


def test_an_archive_of_many_members_is_not_listed(parts, tmp_path):
    path = write(tmp_path / "many.keras", parts)
    content = path.read_bytes()
    # The end of the archive says how many there are; 65,535 means a longer list.
    start = content.rfind(b"PK\x05\x06")
    for count in (2_000, 0xFFFF):
        changed = bytearray(content)
        changed[start + 8 : start + 12] = struct.pack("<HH", count, count)
        path.write_bytes(changed)
        assert f"has {count:,} or more members" in refusal(path)


def test_a_million_units_are_counted_before_they_are_made(parts, tmp_path):
    wide = with_config(parts, '"units": 10,', '"units": 1000000,')
    message = refusal(write(tmp_path / "wide.keras", wide))
    assert "too many weights" in message and "784,000,000 or more" in message
    assert "'logits'" in message


def test_thousands_of_layers_are_counted_before_they_are_made(parts, tmp_path):
    config = json.loads(parts["config.json"])
    layers = config["config"]["layers"]
    config["config"]["layers"] = layers + [layers[-1]] * 20_000
    path = write(tmp_path / "deep.keras", parts | {"config.json": json.dumps(config)})
    assert "too many layers" in refusal(path)


def test_a_config_nested_without_end_is_refused(parts, tmp_path):
    nested = '{"a":' * 50_000 + "1" + "}" * 50_000
    path = write(tmp_path / "nested.keras", parts | {"config.json": nested})
    assert "nested too deeply" in refusal(path)


def test_weights_that_are_declared_alone_are_refused(parts, tmp_path):
    for name, options in {
        "sparse": {"shape": (1 << 20, 1 << 12), "dtype": "f4"},
        "elsewhere": {
            "shape": (4,),
            "dtype": "f4",
            "external": [(str(tmp_path / "secret"), 0, 16)],
        },
    }.items():
        stream = io.BytesIO(parts["model.weights.h5"])
        with h5py.File(stream, "a") as file:
            file.create_dataset("more", **options)
        changed = parts | {"model.weights.h5": stream.getvalue()}
        message = refusal(write(tmp_path / f"{name}.keras", changed))
        assert {"sparse": "declares 17,", "elsewhere": "another file"}[name] in message


@pytest.mark.timeout(30)
def test_links_to_what_has_no_end_are_refused(tmp_path):
    (tmp_path / "zero.keras").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "fifo.keras")
    for name in ("zero", "fifo"):
        assert "no regular file" in refusal(tmp_path / f"{name}.keras")


CARDS = [
    "[1]",
    '{"dataset": 3}',
    '{"dataset": null}',
    '{"recipe": "default"}',
    '{"classes": [1, 2]}',
    '{"classes": {"a": 1}}',
    '{"validation": {"accuracy": "high"}}',
    '{"test": {"accuracy": NaN}}',
    '{"seed": 1.5}',
    '{"seed": -1}',
    '{"history": {"loss": [1], "accuracy": [1, 2]}}',
    '{"history": [1]}',
    '{"versions": {"keras": {}}}',
    '{"kept_epoch": "3"}',
    '{"parameters": 1e400}',
    '{"a":' * 1000 + "1" + "}" * 1000,
    "\udcff",
    '{"sha256": 1',
]


@pytest.mark.parametrize("text", CARDS, ids=range(len(CARDS)))
def test_a_card_of_another_form_is_refused_in_a_line(text, parts, tmp_path):
    path = write(tmp_path / "small.keras", parts)
    path.with_suffix(".json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match="The card .* is damaged") as caught:
        read_card(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name, options, words",
    [
        ("mlp", {"hidden_units": (10**30,)}, "Bad hidden_units"),
        ("mlp", {"hidden_units": (8,) * 2_000}, "Bad hidden_units"),
        ("mlp", {"hidden_units": (60_000, 60_000)}, "too many weights"),
        ("alexnet", {"dropout": 0.999999}, "Bad dropout"),
    ],
)
def test_a_network_beyond_any_machine_is_refused_in_a_line(name, options, words):
    with pytest.raises(UserError, match=words) as caught:
        build_model(name, **options)
    assert len(str(caught.value)) < 300
    assert np.isfinite(build_model("logistic_regression").count_params())
