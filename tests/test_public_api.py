"""What `import fmkeras` gives: documented, loaded late, of use in a script."""

import ast
import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import fmkeras
from fmkeras.errors import UserError

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/python.md").read_text(encoding="utf-8")


def test_importing_loads_nothing_heavy_and_dir_lists_all():
    code = (
        "import sys, typing\n"
        "before = set(sys.modules)\n"
        "import fmkeras\n"
        "assert set(fmkeras.__all__) <= set(dir(fmkeras))\n"
        "new = set(sys.modules) - before\n"
        "assert new == {'fmkeras'}, new\n"
        "fmkeras.list_models()\n"
        "assert 'keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_names_are_those_that_type_checkers_see():
    tree = ast.parse((ROOT / "fmkeras/__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert sorted(seen) == sorted(fmkeras.__all__)
    assert seen == fmkeras._PLACES
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fmkeras.nothing  # noqa: B018


@pytest.mark.parametrize("name", fmkeras.__all__)
def test_every_name_is_documented_and_typed(name):
    value = getattr(fmkeras, name)
    assert len(inspect.getdoc(value) or "") > 40
    assert re.search(rf"`{name}\b", PAGE), f"docs/python.md does not name {name}"
    if inspect.isfunction(value):
        for parameter in inspect.signature(value).parameters.values():
            kinds = parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL
            typed = parameter.annotation is not parameter.empty
            assert typed or parameter.kind in kinds, parameter


@pytest.fixture(scope="module")
def dataset():
    return fmkeras.load_dataset("garments", seed=3, train_size=400, test_size=100)


@pytest.fixture(scope="module")
def run(tmp_path_factory, dataset):
    folder = tmp_path_factory.mktemp("api")
    return fmkeras.train(
        "logistic_regression",
        dataset=dataset,
        epochs=2,
        out=folder / "models",
        runs=folder / "runs",
    )


def test_train_evaluate_compare_and_load(run, dataset):
    assert run.artifact.name == "logistic_regression-garments.keras"
    model = fmkeras.load_model(run.artifact)
    evaluation = fmkeras.evaluate(model, dataset)
    assert evaluation.accuracy == run.evaluation.accuracy
    assert repr(evaluation).startswith("Evaluation(accuracy=0.")
    assert repr(run.artifact.name)[1:-1] in repr(run)
    for shown in (run, evaluation):
        page = shown._repr_html_()
        assert page.count("<tr>") == 14 and "T-shirt/top" in page
    other = fmkeras.build_model("logistic_regression", seed=5)
    comparison = fmkeras.compare({"trained": model, "<untrained>": other}, dataset)
    assert comparison.names[0] == "trained"
    names = [str(run.artifact), str(ROOT / "saved_models/linear.keras")]
    by_name = fmkeras.compare(names, dataset, seed=3)
    accuracies = dict(zip(by_name.names, by_name.accuracies, strict=True))
    assert set(accuracies) == set(names)
    assert accuracies[names[0]] == comparison.accuracies[0] == evaluation.accuracy
    page = comparison._repr_html_()
    assert "trained" in page and "&lt;untrained&gt;" in page
    np.testing.assert_allclose(
        fmkeras.predict(model, dataset.x_test), evaluation.probabilities, atol=1e-6
    )


def test_train_begins_with_the_weights_of_a_file_and_freezes(run, dataset, tmp_path):
    begun = fmkeras.train(
        "logistic_regression",
        dataset=dataset,
        epochs=1,
        init_from=run.artifact,
        freeze="flatten",
        out=tmp_path / "models",
        runs=tmp_path / "runs",
    )
    assert begun.record["start"]["file"] == run.artifact.name


def test_an_unknown_argument_of_train_is_one_line(dataset):
    with pytest.raises(UserError, match="Did you mean epochs[?] Received: 'epoch'"):
        fmkeras.train("mlp", dataset=dataset, epoch=1)
    with pytest.raises(UserError, match="see help.Recipe.. Received: 'zzz'"):
        fmkeras.train("mlp", dataset=dataset, zzz=1)


def test_predict_images_reads_files(run, dataset, tmp_path):
    for number in range(2):
        Image.fromarray(dataset.x_test[number]).save(tmp_path / f"{number}.png")
    found = fmkeras.predict_images(run.artifact, tmp_path)
    assert len(found) == 2 and found[0].label in str(found)
    # Its card says that it takes raw pixels: another range is for files without one.
    same = fmkeras.predict_images(run.artifact, tmp_path, pixels="0..1")
    np.testing.assert_array_equal(found[0].probabilities, same[0].probabilities)
    model = fmkeras.load_model(run.artifact.stem, run.artifact.parent)
    other = fmkeras.predict_images(model, tmp_path, pixels="0..1")
    assert not np.allclose(found[0].probabilities, other[0].probabilities)
    assert found._repr_html_().count("<tr>") == 3


def test_classes_are_those_of_the_card(dataset, tmp_path):
    """A file of other classes named Fashion-MNIST's, or ended in a traceback."""
    names = ("boot", "heel", "sandal")
    part = dataset.y_test < 3
    shoes = dataclasses.replace(
        dataset,
        name="shoes",
        checksum="shoes",
        class_names=names,
        x_train=dataset.x_train[dataset.y_train < 3],
        y_train=dataset.y_train[dataset.y_train < 3],
        x_test=dataset.x_test[part],
        y_test=dataset.y_test[part],
    )
    run = fmkeras.train(
        "logistic_regression",
        dataset=shoes,
        epochs=1,
        out=tmp_path / "models",
        runs=tmp_path / "runs",
    )
    picture = tmp_path / "1.png"
    Image.fromarray(dataset.x_test[0]).save(picture)
    assert fmkeras.predict_images(run.artifact, picture)[0].label in names
    model = fmkeras.load_model(run.artifact)
    assert fmkeras.predict_images(model, picture)[0].label in ("0", "1", "2")
    assert fmkeras.predict_images(model, picture, names)[0].label in names
    assert fmkeras.evaluate(run.artifact, shoes).count == part.sum()
    with pytest.raises(UserError, match="expected 10 for T-shirt"):
        fmkeras.predict_images(model, picture, dataset.class_names)
    with pytest.raises(UserError, match="has other classes than the data set"):
        fmkeras.evaluate(run.artifact, dataset)
    with pytest.raises(UserError, match="does not give one output a class"):
        fmkeras.evaluate(model, dataset)


def test_a_model_of_other_pixels_is_measured_on_them(run, dataset):
    raw = fmkeras.load_model(run.artifact)
    pixels = keras.Input((28, 28, 1))
    scaled = keras.Model(pixels, raw(keras.layers.Rescaling(255.0)(pixels)))
    accuracy = fmkeras.evaluate(raw, dataset).accuracy
    assert fmkeras.evaluate(scaled, dataset, pixels="0..1").accuracy == accuracy
    with pytest.raises(UserError, match="Unknown range of pixels"):
        fmkeras.evaluate(scaled, dataset, pixels="0-1")


def test_load_model_finds_shipped_files_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(fmkeras.load_model("lenet"), keras.Model)
    with pytest.raises(UserError, match="expected a file 'nothing.keras' in '.*lenet"):
        fmkeras.load_model("nothing")


@pytest.mark.parametrize("taste", ['{"floatx": "float16"}', '{"image_data_format": '])
def test_a_keras_json_of_another_taste_changes_no_network(tmp_path, taste):
    if not taste.endswith("}"):
        taste += '"channels_first", "backend": "jax"}'
    (tmp_path / "keras.json").write_text(taste)
    code = (
        "import os\n"
        "from fmkeras.cli.session import import_keras\n"
        "import fmkeras\n"
        "if 'float16' in os.environ['TASTE']: import_keras()\n"
        "model = fmkeras.build_model('resnet18')\n"
        "print(model.count_params(), model.layers[-1].dtype)\n"
    )
    import os

    environment = os.environ | {
        "KERAS_HOME": str(tmp_path),
        "KERAS_BACKEND": "torch",
        "TASTE": taste,
    }
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    expected = fmkeras.build_model("resnet18").count_params()
    assert answer.stdout.split() == [str(expected), "float32"]


def test_a_model_with_our_metric_and_optimizer_opens_after_importing_us(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(
        fmkeras.Ranger21(total_steps=4),
        "sparse_categorical_crossentropy",
        metrics=[fmkeras.ConfusionMatrix(3)],
    )
    path = tmp_path / "theirs.keras"
    model.save(path)
    code = f"import keras, fmkeras; keras.models.load_model({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_predictions_of_half_precision_are_as_keras_gives_them():
    policy = keras.DTypePolicy("mixed_bfloat16")
    pixels = keras.Input((6,))
    model = keras.Model(pixels, keras.layers.Dense(3, dtype=policy)(pixels))
    x = np.random.default_rng(0).uniform(size=(5, 6)).astype(np.float32)
    found, wanted = fmkeras.predict(model, x), model.predict(x, verbose=0)
    assert found.dtype == wanted.dtype and (found == wanted).all()
