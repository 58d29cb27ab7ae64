"""Every parser of files from elsewhere: samples of what it reads, and a call of it.

A parser is called with a path; it returns, or raises `UserError`. What it gives is
used as its commands use it, since a wrong value may end the next step.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from fuzz import mutate

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Parser:
    """One parser.

    Attributes:
        file: the name of the file that it is given.
        what: the files, in words.
        inputs: returns whole contents, and a maker of changed ones.
        read: the parser, called with the path.
    """

    file: str
    what: str
    inputs: Callable[[], tuple[list[bytes], mutate.Maker]]
    read: Callable[[Path], object]


@cache
def small_model():
    import keras

    pixels = keras.Input((28, 28, 1), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="scale")(pixels)
    x = keras.layers.Conv2D(2, 3, strides=3, activation="relu", name="conv")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dropout(0.2, name="drop")(x)
    return keras.Model(pixels, keras.layers.Dense(10, name="logits")(x), name="small")


@cache
def dataset():
    from fmkeras.datasets import load_dataset

    return load_dataset("garments", train_size=60, test_size=40)


def model_inputs():
    import tempfile

    from fmkeras.artifacts.keras_file import save_artifact

    with tempfile.TemporaryDirectory() as folder:
        path = save_artifact(small_model(), "small", {}, folder)
        samples = [path.read_bytes()]
    return samples, mutate.any_of(
        mutate.bytes_of(samples),
        mutate.changed_member(samples, "config.json", mutate.json_of),
        mutate.changed_member(samples, "model.weights.h5", mutate.bytes_of),
        mutate.changed_member(samples, None, mutate.bytes_of),
    )


def read_model(path: Path):
    from fmkeras.artifacts.keras_file import load_artifact

    return load_artifact(path)


def json_inputs(samples: list[object]):
    return [json.dumps(one).encode() for one in samples], mutate.texts(samples)


def committed(pattern: str) -> list[dict]:
    paths = sorted((ROOT / "saved_models").glob(pattern))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths[:3]]


def shortened(content: object) -> object:
    """A record without the length of its lists, which only takes time."""
    if isinstance(content, dict):
        return {key: shortened(value) for key, value in content.items()}
    return [shortened(v) for v in content[:3]] if isinstance(content, list) else content


def card_inputs():
    return json_inputs([shortened(card) for card in committed("*.json")])


@cache
def entry():
    from fmkeras.evaluation.evaluate import evaluate_outputs
    from fmkeras.report.site.entries import ReportEntry

    data = dataset()
    outputs = np.random.default_rng(0).normal(size=(len(data.y_test), 10))
    found = evaluate_outputs(outputs, data.y_test, 100.0, data.class_names)
    return ReportEntry("small", {}, small_model(), 1000, found, None, [], [])


def read_card(path: Path):
    """A card, and what lists of models, pages and tables make of it."""
    import dataclasses

    from fmkeras.artifacts import keras_file, lookup
    from fmkeras.report.site.entries import _rows
    from fmkeras.report.site.leaderboard import leaderboard
    from fmkeras.report.site.page_info import _facts
    from fmkeras.training.replace import reason_to_stay

    card = keras_file.read_card(path.with_suffix(".keras"))
    lookup.class_names_of(card, small_model())
    lookup.validation_subset(card, dataset())
    reason_to_stay(path.with_suffix(".keras"), path.with_suffix(".keras"), "better")
    reason_to_stay(path.with_suffix(".keras"), path.with_suffix(".keras"), "current")
    filled = dataclasses.replace(entry(), card=card, history=_rows(card.get("history")))
    _facts(filled)
    data = dataclasses.replace(dataset(), name="fashion-mnist")
    leaderboard([filled], path.parent / "records", data)


def recipe_inputs():
    from fmkeras.recipes import find_recipe

    recipe = find_recipe("default", "cnn").to_dict()
    best = {"model": "mlp", "options": {"hidden_units": [8, 8]}, "recipe": recipe}
    return json_inputs([recipe, best])


def read_recipe(path: Path):
    """A recipe file: the recipe, its schedule, and the options of the network."""
    from fmkeras.models import model_info
    from fmkeras.models.options import check_options
    from fmkeras.recipes import find_options, find_recipe
    from fmkeras.training.builders import build_augmentation, build_optimizer

    recipe = find_recipe(str(path), "mlp")
    build_augmentation(recipe)
    build_optimizer(recipe, 10)
    options = find_options(str(path), "mlp")
    check_options(model_info("mlp"), options)


def space_inputs():
    return json_inputs(
        [
            {
                "hyperparameters": {
                    "optimizer": ["adam", "sgd"],
                    "batch_size": [32, 64],
                    "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"},
                    "momentum": {"min": 0.1, "max": 0.9, "when": {"optimizer": "sgd"}},
                    "hidden_units": [[8], [8, 8]],
                },
                "recipe": {"epochs": 2, "flip": True},
            },
            {"hyperparameters": {"flip": [True, False], "epochs": [1, 2, 3]}},
        ]
    )


def read_space(path: Path):
    """A space file: the settings of a search over it, and KerasTuner's form."""
    from fmkeras.recipes import find_recipe
    from tuner.settings import Settings, _change
    from tuner.spaces.files import find_space
    from tuner.spaces.keras_tuner import to_keras_tuner

    space = find_space(str(path), "mlp")
    recipe = _change(find_recipe("default", "mlp"), space.changes)
    ranges = any(not h.values for h in space.hyperparameters)
    kind = "random" if ranges else "grid"
    settings = Settings(
        "mlp", "torch", kind, space, recipe, "val_accuracy", 0, None, {"data": "csv"}
    )
    settings.to_dict()
    to_keras_tuner(space)


def record_inputs():
    samples = [shortened(record) for record in committed("records/default/*.json")]
    samples += [shortened(record) for record in committed("records/tune-*.json")]
    return json_inputs(samples)


def read_record(path: Path):
    """The record of a run or a search, as tables and pages read it."""
    from fmkeras.experiments.summary import summarise
    from fmkeras.records import read_record
    from fmkeras.report.site.search_info import read_search

    if b'"space"' in path.read_bytes():
        read_search("a", path)
    else:
        summarise([read_record(path)])


def config_inputs():
    from fmkeras.recipes import find_recipe

    config = {
        "model": "lenet",
        "options": {},
        "recipe": find_recipe("default", "lenet").to_dict(),
        "seed": 0,
        "streams": 2,
        "backend": "torch",
        "precision": "float32",
        "compiled": False,
        "dataset": {"name": "garments", "checksum": "0", "train": 5, "test": 1},
        "environment": {"threads": 1, "versions": {"keras": "3"}, "commit": None},
        "arguments": {"data": "garments", "train_size": 60, "out": "saved_models"},
    }
    return json_inputs([config])


def read_config(path: Path):
    """The settings of a run, as resuming reads and compares them."""
    from fmkeras.recipes import Recipe
    from fmkeras.training.run_dir import different_fields, ensure_run_dir, read_config

    config = read_config(path.parent)
    different_fields(config, {"model": "lenet", "recipe": {"epochs": 3}})
    ensure_run_dir(path.parent, config, {"threads": 2})
    try:
        Recipe(**config["recipe"])
    except TypeError:
        pass  # `train` says which field.


@cache
def checkpoint():
    from fmkeras.engines import create_engine
    from fmkeras.recipes import Recipe
    from fmkeras.training.builders import build_loss, build_optimizer
    from fmkeras.training.checkpoint import Checkpoint

    recipe = Recipe(epochs=2)
    engine = create_engine(
        small_model(), build_optimizer(recipe, 3), build_loss(recipe)
    )
    log = SimpleNamespace(history=[], per_class=[])
    return Checkpoint(engine, log, Path("checkpoint.npz"))


def signed(archive: bytes) -> bytes:
    """A checkpoint's archive with the right digest behind it."""
    import hashlib

    digest = hashlib.sha256(archive).hexdigest()
    return archive + b"\nsha256 " + digest.encode()


def checkpoint_inputs():
    import keras

    saved = checkpoint()
    arrays = {
        f"variable_{number}": keras.ops.convert_to_numpy(variable.value)
        for number, variable in enumerate(saved._variables())
    }
    for number, weight in enumerate(saved.engine.model.get_weights()):
        arrays[f"kept_{number}"] = weight
    state = {
        "epochs_done": 1,
        "kept_epoch": 1,
        "history": [{"epoch": 1, "loss": 0.5, "val_accuracy": 0.5}],
        "per_class": [],
        "epochs_averaged": 0,
        "step": 2,
        "seconds": 1.5,
        "loss_sum": 3.25,
    }
    arrays["confusion"] = np.zeros((10, 10), np.int64)
    arrays["random_state"] = saved.engine.random_state()

    def archive_of(text: bytes) -> bytes:
        stream = io.BytesIO()
        said = np.array(text.decode(errors="replace"))
        np.savez(stream, state=said, **arrays)
        return stream.getvalue()

    whole = archive_of(json.dumps(state).encode())
    return [signed(whole)], mutate.any_of(
        mutate.bytes_of([signed(whole)]),
        mutate.then(mutate.texts([state]), lambda text: signed(archive_of(text))),
        mutate.then(mutate.changed_member([whole], None, mutate.bytes_of), signed),
        mutate.then(mutate.bytes_of([whole]), signed),
    )


def read_checkpoint(path: Path):
    """A checkpoint, restored into a training."""
    saved = checkpoint()
    saved.path = path
    saved.restore()


@cache
def search():
    """A search of two finished trials, its settings and its folder's files."""
    import tempfile

    from fmkeras.recipes import Recipe
    from tuner.search import build_oracle
    from tuner.settings import Settings, save_or_check
    from tuner.spaces.space import Hyperparameter, Space
    from tuner.trials import files as trial_files

    space = Space("mine", (Hyperparameter("batch_size", (8, 16, 32)),))
    settings = Settings(
        *("lenet", "torch", "grid", space, Recipe(epochs=1), "val_accuracy", 0, None),
        {"data": "garments"},
    )
    folder = Path(tempfile.mkdtemp())
    save_or_check(folder, settings)
    oracle = build_oracle(settings, folder)
    figures = {"kept_epoch": 1, "val_accuracy": 0.5, "val_loss": 1.0}
    for _ in range(2):
        trial = oracle.create_trial("tuner0")
        outcome = {"state": "finished", **figures, "device": None, "commit": None}
        trial_files.write_outcome(folder, trial.trial_id, outcome)
        oracle.end_trial(trial)
    oracle.create_trial("tuner0")
    files = {
        name: json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("oracle.json", "settings.json", "trials/0000/plan.json")
        if (folder / name).exists()
    }
    for name in ("plan.json", "outcome.json"):
        path = next(folder.glob(f"trials/*/{name}"))
        files[name] = json.loads(path.read_text(encoding="utf-8"))
    return settings, folder, files


def tuner_inputs():
    _, _, files = search()
    return json_inputs(list(files.values()))


def read_tuner_state(path: Path):
    """The files of a search: its settings, its oracle, the plan and end of a trial."""
    import shutil

    from fmkeras.errors import UserError
    from tuner.results.summary import trial_rows
    from tuner.search import build_oracle
    from tuner.settings import read_settings
    from tuner.trials import files as trial_files
    from tuner.trials.run import trial_recipe

    settings, folder, _ = search()
    refused = []
    own = path.parent / "search"
    shutil.copytree(folder, own, dirs_exist_ok=True)
    trial = sorted(own.glob("trials/*"))[0]
    content = path.read_bytes()

    def plan() -> None:
        trial_recipe(settings, trial_files.read_plan(own, trial.name))

    def oracle() -> None:
        trial_rows(build_oracle(settings, own)), build_oracle(settings, own).planned()

    for name, call in (
        (own / "settings.json", lambda: read_settings(own)),
        (trial / "plan.json", plan),
        (trial / "outcome.json", oracle),
        (own / "oracle.json", oracle),
    ):
        before = name.read_bytes()
        name.write_bytes(content)
        try:
            call()
        except UserError as error:
            refused.append(error)
        name.write_bytes(before)
    if len(refused) == 4:
        raise refused[0]


def csv_inputs():
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 256, (2, 785))
    rows[:, 0] = (1, 2)
    plain = "\n".join(",".join(map(str, row)) for row in rows) + "\n"
    names = ",".join(["label", *(f"pixel{n}" for n in range(1, 785))]) + "\n"
    quoted = "\n".join(";".join(f'"{v}"' for v in row) for row in rows)
    samples = [text.encode() for text in (plain, names + plain, quoted)]
    samples.append(plain.encode("utf-16"))
    contents = mutate.bytes_of(samples)
    return samples, mutate.any_of(contents, contents, mutate.gzipped(contents))


def read_csv(path: Path):
    from fmkeras.datasets.csv_file import read_csv

    return read_csv(path)


def idx_inputs():
    images = b"\0\0\x08\x03" + b"\0\0\0\x02" + b"\0\0\0\x1c" * 2 + bytes(range(256)) * 7
    samples = [images[: 16 + 2 * 784], b"\0\0\x08\x01\0\0\0\x05\1\2\3\4\5"]
    contents = mutate.bytes_of(samples)
    return samples, mutate.any_of(contents, contents, mutate.gzipped(contents))


def read_idx(path: Path):
    from fmkeras.datasets.own.arrays import to_images
    from fmkeras.datasets.own.classes import number_labels
    from fmkeras.datasets.own.idx_files import read_any_idx

    found = read_any_idx(path)
    if found.ndim == 1:
        return number_labels(found, found[:0], None, "the file")
    return to_images(found, "the file")


def npz_inputs():
    generator = np.random.default_rng(0)
    samples = []
    for kind, top in (("u1", 256), ("f4", 1), ("i8", 256)):
        images = (generator.random((4, 9, 7)) * top).astype(kind)
        labels = np.array([0, 1, 0, 1], kind)
        arrays = {"x_train": images, "y_train": labels}
        stream = io.BytesIO()
        np.savez(stream, **arrays, x_test=images, y_test=np.array(list("abab")))
        samples.append(stream.getvalue())
    return samples, mutate.any_of(
        mutate.bytes_of(samples),
        mutate.changed_member(samples, None, mutate.bytes_of),
    )


def read_npz(path: Path):
    """An .npz file, made a data set."""
    from fmkeras.datasets.own.load import load_own

    return load_own(str(path), progress=False)


def picture_inputs():
    from PIL import Image

    generator = np.random.default_rng(0)
    grey = Image.fromarray(generator.integers(0, 256, (40, 32), np.uint8))
    deep = Image.fromarray(generator.integers(0, 65_536, (40, 32)).astype(np.uint16))
    forms = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
    samples = []
    for picture, form, mode in (
        *((grey, form, mode) for form in forms for mode in ("L", "RGB", "RGBA", "P")),
        *((deep, form, "I;16") for form in ("PNG", "TIFF")),
        (grey, "TIFF", "F"),
    ):
        stream = io.BytesIO()
        try:
            picture.convert(mode).save(stream, form)
        except (OSError, ValueError):
            continue  # Not every format has every mode.
        samples.append(stream.getvalue())
    return samples, mutate.bytes_of(samples)


def read_picture(path: Path):
    from fmkeras.datasets.image_files import read_grey, read_picture

    read_grey(path)
    return read_picture(path)


def classes_inputs():
    samples = ["T-shirt\nTrouser\nBag\n", "\ufeffé\n\n 漢字 \r\n", "10\n1\n2\n"]
    contents = [text.encode() for text in samples]
    return contents, mutate.bytes_of(contents)


def read_classes(path: Path):
    from fmkeras.datasets.own.classes import number_labels, read_class_names

    names = read_class_names(path.parent)
    labels = np.array([0, 1, 1])
    return number_labels(labels, labels, names, "the file")


def weights_inputs():
    """A marker byte, then the content: the ending of a file says what it is."""
    arrays = {f"layer{n}.weight": np.ones((3, 4), np.float32) for n in range(3)}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    packed = stream.getvalue()
    header = {
        name: {"dtype": "F32", "shape": [3, 4], "data_offsets": [48 * n, 48 * n + 48]}
        for n, name in enumerate(arrays)
    }

    def tensors(text: bytes) -> bytes:
        return b"s" + len(text).to_bytes(8, "little") + text + bytes(48 * 3)

    whole = tensors(json.dumps(header).encode())
    return [b"n" + packed, whole], mutate.any_of(
        mutate.then(mutate.bytes_of([packed]), lambda content: b"n" + content),
        mutate.then(
            mutate.changed_member([packed], None, mutate.bytes_of),
            lambda content: b"n" + content,
        ),
        mutate.then(mutate.bytes_of([whole]), lambda content: b"s" + content[1:]),
        mutate.then(mutate.texts([header]), tensors),
    )


def read_weights(path: Path):
    from fmkeras.benchmark.pytorch.state_dict import read_state_dict

    content = path.read_bytes()
    kind = ".safetensors" if content[:1] == b"s" else ".npz"
    file = path.with_suffix(kind)
    file.write_bytes(content[1:])
    return read_state_dict(file)


PARSERS = {
    "keras": Parser("a.keras", "`.keras` files", model_inputs, read_model),
    "card": Parser("a.json", "model cards", card_inputs, read_card),
    "recipe": Parser("a.json", "recipes", recipe_inputs, read_recipe),
    "space": Parser("a.json", "spaces of the tuner", space_inputs, read_space),
    "record": Parser("tune-a.json", "records", record_inputs, read_record),
    "config": Parser("config.json", "settings of runs", config_inputs, read_config),
    "checkpoint": Parser(
        "checkpoint.npz", "checkpoints", checkpoint_inputs, read_checkpoint
    ),
    "tuner": Parser("state.json", "the tuner's state", tuner_inputs, read_tuner_state),
    "csv": Parser("a.csv", "CSV data", csv_inputs, read_csv),
    "idx": Parser("a-idx3-ubyte", "IDX data", idx_inputs, read_idx),
    "npz": Parser("a.npz", "NPZ data", npz_inputs, read_npz),
    "picture": Parser("a.png", "pictures", picture_inputs, read_picture),
    "classes": Parser("classes.txt", "lists of classes", classes_inputs, read_classes),
    "weights": Parser("a.weights", "weights", weights_inputs, read_weights),
}
