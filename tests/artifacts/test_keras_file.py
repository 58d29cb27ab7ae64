"""Files that load without fmkeras, and files that must be refused."""

import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from fmkeras.artifacts.keras_file import load_artifact, read_card, save_artifact
from fmkeras.artifacts.lookup import card_or_empty
from fmkeras.errors import UserError
from fmkeras.labels import CLASS_NAMES

pytestmark = [
    pytest.mark.every_backend,
    # Keras turns torch tensors into arrays in a way that NumPy 2 frowns on.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 28, 28), np.uint8)


def small_model(dtype="float32"):
    """Build a net with all that a file could lose: statistics, dropout, a policy."""
    layers = keras.layers
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = layers.Rescaling(1 / 255, dtype=dtype, name="scale")(pixels)
    x = layers.Conv2D(4, 3, strides=2, dtype=dtype, name="conv")(x)
    x = layers.BatchNormalization(dtype=dtype, name="norm")(x)
    left = layers.ReLU(dtype=dtype, name="relu")(x)
    x = layers.Add(dtype=dtype, name="add")([left, x])
    x = layers.Flatten(dtype=dtype, name="flatten")(x)
    x = layers.Dropout(0.5, dtype=dtype, name="drop")(x)
    logits = layers.Dense(10, dtype="float32", name="logits")(x)
    model = keras.Model(pixels, logits, name="small")
    generator = np.random.default_rng(1)
    model.set_weights(
        [generator.uniform(0.01, 0.2, w.shape) for w in model.get_weights()]
    )
    return model


def image_model(input_shape=(28, 28, 1), classes=10, activation="softmax"):
    pixels = keras.Input(input_shape, name="pixels")
    x = keras.layers.Flatten(name="flatten")(pixels)
    x = keras.layers.Dense(classes, activation=activation, name="dense")(x)
    return keras.Model(pixels, x)


def probabilities(model, images=IMAGES):
    logits = np.float64(model.predict(images, verbose=0))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model, the file made of it, and that file's bytes."""
    model = small_model()
    folder = tmp_path_factory.mktemp("saved")
    path = save_artifact(model, "small", {"seed": 3}, folder)
    return model, path, path.read_bytes()


IN_A_BARE_PROJECT = """
import json, sys
sys.modules["fmkeras"] = None  # even where it is installed
try:
    import fmkeras
except ImportError:
    pass
else:
    sys.exit("fmkeras can be imported")
import keras
import numpy as np
images = np.load("images.npy")
assert images.dtype == np.uint8 and images.shape[1:] == (28, 28)
forms = {"flat": images, "channel": images[..., None], "floats": np.float32(images)}
for name, pixels in forms.items():
    # Opened each time: under tensorflow the first call fixes the number of axes.
    model = keras.models.load_model("small.keras")
    np.save(f"{name}.npy", model.predict(pixels, verbose=0))
print(keras.backend.backend())
"""


def test_a_project_without_fmkeras_loads_the_file(saved, tmp_path):
    model, _, content = saved
    (tmp_path / "small.keras").write_bytes(content)
    np.save(tmp_path / "images.npy", IMAGES)
    done = subprocess.run(
        [sys.executable, "-I", "-c", IN_A_BARE_PROJECT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == keras.backend.backend()
    expected = probabilities(model)
    assert expected.max() - expected.min() > 0.01
    for name in ("flat", "channel", "floats"):
        received = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(received, expected, atol=1e-5, err_msg=name)


SAVE_AND_LOAD = """
import sys
import keras
from fmkeras.artifacts.keras_file import load_artifact, save_artifact
before = "tensorflow" in sys.modules
pixels = keras.Input((28, 28, 1), name="pixels")
x = keras.layers.Flatten(name="flatten")(pixels)
model = keras.Model(pixels, keras.layers.Dense(10, name="logits")(x))
save_artifact(model, "plain", {}, sys.argv[1])
load_artifact("plain", sys.argv[1])
assert ("tensorflow" in sys.modules) == before, "tensorflow was imported"
"""


def test_saving_imports_no_other_backend_and_is_silent(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SAVE_AND_LOAD, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_the_file_is_plain(saved):
    _, path, content = saved
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        text = archive.read("config.json").decode()
    config = json.loads(text)
    assert not config.get("compile_config")
    modules = set(re.findall('"module": "([^"]+)"', text))
    assert modules and {module.split(".")[0] for module in modules} == {"keras"}
    model = load_artifact(path)
    assert not model.compiled
    assert [layer.name for layer in model.layers][-2:] == ["logits", "probabilities"]
    assert model.name == "small"


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_model_trained_in_mixed_precision_becomes_float32(policy, tmp_path):
    model = small_model(policy)
    keras.config.set_dtype_policy(policy)
    try:
        path = save_artifact(model, "mixed", {}, tmp_path)
    finally:
        keras.config.set_dtype_policy("float32")
    loaded = load_artifact(path)
    assert {layer.dtype_policy.name for layer in loaded.layers} == {"float32"}
    twin = small_model()
    twin.set_weights(model.get_weights())
    received = loaded.predict(IMAGES, verbose=0)
    assert received.dtype == np.float32
    np.testing.assert_allclose(received, probabilities(twin), atol=1e-5)


def test_saving_leaves_the_model_as_it_was(tmp_path):
    model = small_model("mixed_bfloat16")
    before = model.predict(IMAGES, verbose=0)
    save_artifact(model, "small", {}, tmp_path)
    assert model.get_layer("conv").dtype_policy.name == "mixed_bfloat16"
    np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), before)


def test_card(saved):
    _, path, content = saved
    card = read_card(path)
    assert card == read_card("small", path.parent)
    assert card["name"] == "small" and card["seed"] == 3
    assert card["classes"] == list(CLASS_NAMES) and "28 x 28" in card["input"]
    assert card["file"] == "small.keras" and card["bytes"] == len(content)
    assert card["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_failed_save_leaves_both_files_alone(saved, tmp_path):
    model, _, content = saved
    save_artifact(model, "small", {"seed": 1}, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"small.keras", "small.json"}
    with pytest.raises(TypeError):
        save_artifact(model, "small", {"seed": object()}, tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_an_interrupted_save_leaves_nothing(monkeypatch, tmp_path):
    def half(self, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "save", half)
    with pytest.raises(KeyboardInterrupt):
        save_artifact(image_model(), "small", {}, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "a/b", "../a"])
def test_a_name_is_no_path(name, tmp_path):
    with pytest.raises(ValueError, match="Received: "):
        save_artifact(image_model(), name, {}, tmp_path)


def test_load_by_name_and_by_path(saved, monkeypatch):
    _, path, _ = saved
    expected = load_artifact("small", path.parent).get_weights()
    monkeypatch.chdir(path.parent)
    for given in (path, str(path), "small.keras", "./small.keras"):
        received = load_artifact(given).get_weights()
        for ours, theirs in zip(received, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "shape", [(28, 28), (28, 28, 1), (None, None, 1), (28, None), (None, None)]
)
def test_models_made_elsewhere_are_taken(shape, tmp_path):
    pixels = keras.Input(shape, name="pixels")
    x = pixels if len(shape) == 3 else keras.layers.Reshape((28, 28, 1))(pixels)
    x = keras.layers.GlobalAveragePooling2D()(x)
    path = tmp_path / "theirs.keras"
    keras.Model(pixels, keras.layers.Dense(10)(x)).save(path)
    (tmp_path / "theirs.json").write_text('{"class_name": "Functional"}')
    assert load_artifact(path).predict(IMAGES, verbose=0).shape == (64, 10)


def test_a_compiled_sequential_model_is_taken_uncompiled(tmp_path):
    layers = [keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    model.compile("adam", "mse")
    model.save(tmp_path / "theirs.keras")
    loaded = load_artifact(tmp_path / "theirs.keras")
    assert not loaded.compiled
    assert loaded.predict(IMAGES, verbose=0).shape == (64, 10)


def refusal(path, folder="saved_models"):
    """Return the one line that `load_artifact` refuses `path` with."""
    with pytest.raises(UserError) as caught:
        load_artifact(path, folder)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_missing_file_lists_what_there_is(saved):
    _, path, _ = saved
    message = refusal("lenet", path.parent)
    assert "no model file" in message and "there: small)" in message
    assert message.endswith("Received: lenet")
    assert "none, train one first" in refusal(path.parent / "nets" / "a.keras", "/nil")


def test_other_kinds_of_file_are_refused(tmp_path):
    (tmp_path / "model.h5").write_bytes(b"\x89HDF")
    assert "is no .keras file" in refusal(tmp_path / "model.h5")
    (tmp_path / "folder.keras").mkdir()
    assert "Cannot read" in refusal(tmp_path / "folder.keras")


def rewritten(content, **members):
    """Return the archive with some members replaced, or left out where None."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w") as new,
    ):
        for name in old.namelist():
            value = members.get(name.partition(".")[0], old.read(name))
            if value is not None:
                new.writestr(name, value)
    return buffer.getvalue()


def flipped(content):
    """Flip a bit in the middle of the weights."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda content: b"", "is empty"),
        (lambda content: content[:1], "is no zip archive"),
        (lambda content: b"not a model", "is no zip archive"),
        (lambda content: content[: len(content) // 2], "cut short or damaged"),
        (lambda content: content[:-1], "cut short or damaged"),
        (flipped, r"damaged \(in its model.weights.h5\)"),
        (lambda content: rewritten(content, config=None), "no 'config.json'"),
        (lambda content: rewritten(content, config="{"), "no JSON in"),
        (lambda content: rewritten(content, config="\xff"), "no JSON in"),
        (lambda content: rewritten(content, config="[]"), "describes no model"),
        (lambda content: rewritten(content, config="{}"), "cannot rebuild"),
        (lambda content: rewritten(content, model=None), "cannot rebuild"),
        (lambda content: rewritten(content, model=b""), "cut short or damaged"),
    ],
)
def test_damaged_files_are_refused(damage, words, saved, tmp_path):
    path = tmp_path / "damaged.keras"
    path.write_bytes(damage(saved[2]))
    message = refusal(path)
    assert re.search(words, message), message


def test_no_flipped_bit_brings_a_traceback_or_other_weights(saved, tmp_path):
    model, _, content = saved
    path = tmp_path / "flipped.keras"
    generator = np.random.default_rng(2)
    # The ends are the headers and the directory; the rest is mostly weights.
    places = [*range(0, 60, 3), *range(len(content) - 260, len(content), 7)]
    for place in [*places, *generator.integers(0, len(content), 10)]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << generator.integers(8)
        path.write_bytes(damaged)
        try:
            loaded = load_artifact(path)
        except UserError:
            continue
        for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_weights_that_differ_from_the_card_are_refused(saved, tmp_path):
    model, _, _ = saved
    path = save_artifact(model, "small", {}, tmp_path)
    other = save_artifact(image_model(activation=None), "other", {}, tmp_path)
    path.write_bytes(other.read_bytes())
    message = refusal(path)
    assert "altered or replaced" in message and "sha256" in message
    (tmp_path / "small.json").rename(tmp_path / "small.card")
    load_artifact(path)


def test_a_broken_card_is_refused(saved, tmp_path):
    path = tmp_path / "small.keras"
    path.write_bytes(saved[2])
    with pytest.raises(UserError, match="no card"):
        read_card(path)
    for text in ("{", "", "[" * 100_000):
        (tmp_path / "small.json").write_text(text)
        with pytest.raises(UserError, match="card .* is damaged"):
            load_artifact(path)


def test_a_json_of_their_own_beside_a_model_is_no_card(saved, tmp_path):
    path = tmp_path / "small.keras"
    path.write_bytes(saved[2])
    for text in ('["T-shirt"]', '{"dataset": "fashion_mnist"}', "1"):
        (tmp_path / "small.json").write_text(text)
        assert load_artifact(path).built
        assert card_or_empty(path) == {}


def test_code_inside_a_file_is_refused(tmp_path):
    pixels = keras.Input((28, 28, 1), name="pixels")
    x = keras.layers.Lambda(lambda x: x * 2, output_shape=(28, 28, 1))(pixels)
    x = keras.layers.Flatten()(x)
    path = tmp_path / "lambda.keras"
    keras.Model(pixels, keras.layers.Dense(10)(x)).save(path)
    assert re.search("holds code of its own.*Received: Lambda$", refusal(path))


def test_a_custom_layer_is_refused_and_named(tmp_path):
    class Doubling(keras.layers.Layer):
        def call(self, x):
            return x * 2

    pixels = keras.Input((28, 28, 1), name="pixels")
    x = keras.layers.Flatten()(Doubling()(pixels))
    path = tmp_path / "custom.keras"
    keras.Model(pixels, keras.layers.Dense(10)(x)).save(path)
    assert refusal(path).endswith("Received: Doubling")


def test_an_unknown_layer_is_refused(saved, tmp_path):
    with zipfile.ZipFile(saved[1]) as archive:
        config = archive.read("config.json").replace(b'"ReLU"', b'"SuperReLU"')
    path = tmp_path / "future.keras"
    path.write_bytes(rewritten(saved[2], config=config))
    assert "cannot rebuild" in refusal(path) and "SuperReLU" in refusal(path)


@pytest.mark.parametrize(
    "shape, classes, words",
    [
        ((32, 32, 3), 10, r"does not take .* Received: \[\(32, 32, 3\)\]"),
        ((28, 28, 3), 10, "does not take"),
        ((1, 28, 28), 10, "does not take"),
        ((784,), 10, "does not take"),
        ((28,), 10, "does not take"),
        ((28, 28, 1), 1, r"does not give the classes.* Received: \[\(1,\)\]"),
    ],
)
def test_other_shapes_are_refused(shape, classes, words, tmp_path):
    path = tmp_path / "shape.keras"
    image_model(shape, classes).save(path)
    assert re.search(words, refusal(path))


def test_the_number_of_classes_is_that_of_the_data(tmp_path):
    path = tmp_path / "seven.keras"
    image_model((28, 28, 1), 7).save(path)
    assert load_artifact(path).output_shape == (None, 7)
    assert load_artifact(path, num_classes=7).output_shape == (None, 7)
    with pytest.raises(UserError, match=r"does not give 10 classes.*\[\(7,\)\]"):
        load_artifact(path, num_classes=10)


def test_two_inputs_are_refused(tmp_path):
    pixels = [keras.Input((28, 28, 1), name=name) for name in ("left", "right")]
    x = keras.layers.Flatten()(keras.layers.Add()(pixels))
    path = tmp_path / "two.keras"
    keras.Model(pixels, keras.layers.Dense(10)(x)).save(path)
    assert "does not take" in refusal(path)
