"""A run from start to file, on a small drawn data set."""

import csv
import dataclasses
import io
import json
import shutil

import keras
import numpy as np
import pytest

from fmkeras.artifacts import keras_file
from fmkeras.engines import create_engine, predict
from fmkeras.errors import UserError
from fmkeras.recipes import Recipe
from fmkeras.records import commits_of
from fmkeras.training.builders import build_loss
from fmkeras.training.fit import fit
from fmkeras.training.run import train
from fmkeras.training.run_dir import CHECKPOINT

pytestmark = pytest.mark.every_backend

RECIPE = Recipe(name="test", epochs=3, batch_size=64, learning_rate=3e-3)


def run(tmp_path, dataset, recipe=RECIPE, name="mlp", **arguments):
    arguments = {"out": tmp_path / "out", "runs": tmp_path / "runs"} | arguments
    return train(name, recipe, dataset, **arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, garments):
    return run(tmp_path_factory.mktemp("run"), garments)


def test_a_run_learns_and_leaves_its_files(finished, garments):
    assert finished.evaluation.accuracy > 0.4
    files = {path.name for path in finished.folder.iterdir()}
    (events,) = {name for name in files if name.startswith("events.out.tfevents.")}
    names = files - {events}
    assert names == {
        "config.json",
        "history.csv",
        "per_class.csv",
        "record.json",
        CHECKPOINT,
        "checkpoint-previous.npz",
        "lock",
        "mlp-garments.json",
        "mlp-garments.keras",
    }
    assert finished.artifact.name == "mlp-garments.keras"
    card = keras_file.read_card(finished.artifact)
    assert card["dataset"]["name"] == "garments"
    assert card["dataset"]["checksum"] == garments.checksum
    assert card["recipe"] == RECIPE.to_dict()
    assert card["parameters"] == 242_762
    assert card["backend"] == keras.backend.backend()
    assert card["test"]["accuracy"] == finished.evaluation.accuracy


def test_the_file_gives_the_figures_of_the_card(finished, garments):
    model = keras_file.load_artifact(finished.artifact)
    probabilities = predict(model, garments.x_test)
    accuracy = (probabilities.argmax(axis=1) == garments.y_test).mean()
    assert accuracy == finished.evaluation.accuracy
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_the_logs_hold_every_epoch_and_class(finished):
    with open(finished.folder / "history.csv") as file:
        history = list(csv.DictReader(file))
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    with open(finished.folder / "per_class.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    last = [row for row in rows if row["epoch"] == "3"]
    assert sum(int(row["support"]) for row in last) == 60
    right = sum(float(row["recall"]) * int(row["support"]) for row in last)
    assert right / 60 == pytest.approx(float(history[-1]["val_accuracy"]))


def test_the_best_epoch_by_validation_is_kept(finished):
    with open(finished.folder / "history.csv") as file:
        accuracies = [float(row["val_accuracy"]) for row in csv.DictReader(file)]
    assert finished.record["kept_epoch"] == int(np.argmax(accuracies)) + 1
    assert finished.record["validation"]["accuracy"] == max(accuracies)


def test_tensorboard_can_read_the_run(finished):
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    events = EventAccumulator(str(finished.folder)).Reload()
    tags = events.Tags()["scalars"]
    assert events.Tags()["images"] == ["confusion matrix"]
    content = events.Images("confusion matrix")[-1].encoded_image_string
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.width > 440
    metadata = events.SummaryMetadata("_hparams_/session_start_info")
    started = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
    told = started.session_start_info.hparams
    assert told["model"].string_value == "mlp" and told["epochs"].number_value == 3
    assert "epoch/val_accuracy" in tags and "f1/Shirt" in tags
    values = [event.value for event in events.Scalars("epoch/val_accuracy")]
    assert len(values) == 3


class Stop(Exception):
    pass


def per_epoch(folder):
    """All that is logged, but for the times."""
    with open(folder / "history.csv") as file:
        history = list(csv.DictReader(file))
    for row in history:
        del row["seconds"], row["examples_per_second"]
    return history, (folder / "per_class.csv").read_text()


@pytest.mark.parametrize("name", ["tinyvgg_bn", "mynet"])
def test_a_resumed_run_ends_as_if_never_stopped(tmp_path, garments, monkeypatch, name):
    whole = run(tmp_path, garments, name=name, out=tmp_path / "whole")
    from fmkeras.training import fit as training

    class Interrupting(training.ProgressBar):
        def on_epoch_begin(self, epoch, logs=None):
            super().on_epoch_begin(epoch, logs)
            if epoch == 2:
                raise Stop

    monkeypatch.setattr(training, "ProgressBar", Interrupting)
    with pytest.raises(Stop):
        run(tmp_path, garments, name=name, runs=tmp_path / "stopped")
    monkeypatch.undo()
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
    (folder,) = (tmp_path / "stopped").iterdir()
    settings = json.loads((folder / "config.json").read_text())
    settings["environment"]["commit"] = "0" * 40
    (folder / "config.json").write_text(json.dumps(settings))
    resumed = run(tmp_path, garments, name=name, resume=folder)
    # Both commits made it.
    assert resumed.record["began_at_commit"] == "0" * 40
    assert "began_at_commit" not in whole.record
    assert "0000000" in commits_of([resumed.record])
    models = [keras.models.load_model(r.artifact) for r in (whole, resumed)]
    for one, two in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, two)
    figures = [per_epoch(r.folder) for r in (whole, resumed)]
    assert figures[0] == figures[1]


def test_the_images_may_have_moved_when_a_run_goes_on(finished, tmp_path, garments):
    moved = dataclasses.replace(garments, source="another folder")
    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder)
    assert fit("mlp", RECIPE, moved, folder=folder).history
    other = dataclasses.replace(garments, checksum="0" * 64)
    with pytest.raises(UserError, match="other settings; expected dataset.checksum"):
        fit("mlp", RECIPE, other, folder=folder)


def test_a_record_tells_no_folders_of_this_machine(tmp_path, garments):
    source = f"{tmp_path}/train.csv, ../mine/test.csv"
    named = dataclasses.replace(garments, source=source)
    record = run(tmp_path, named, RECIPE.replace(epochs=1)).record
    assert record["dataset"]["source"] == "train.csv, test.csv"


def test_only_the_same_run_can_be_resumed(finished, tmp_path, garments):
    with pytest.raises(
        UserError, match=r"expected recipe.epochs 3: .*Received: recipe.epochs 4$"
    ):
        run(tmp_path, garments, RECIPE.replace(epochs=4), resume=finished.folder)
    with pytest.raises(UserError, match="There is no run to resume"):
        run(tmp_path, garments, resume=tmp_path / "absent")
    damaged = tmp_path / "damaged"
    shutil.copytree(finished.folder, damaged)
    content = (damaged / CHECKPOINT).read_bytes()
    (damaged / CHECKPOINT).write_bytes(content[: len(content) // 2])
    shutil.copy(damaged / CHECKPOINT, damaged / "checkpoint-previous.npz")
    with pytest.raises(UserError, match="has no whole checkpoint.*SHA-256"):
        run(tmp_path, garments, resume=damaged)


def test_options_of_the_network_and_last_epoch(tmp_path, garments):
    recipe = RECIPE.replace(keep="last", epochs=2, preprocessing="standardise")
    made = run(tmp_path, garments, recipe, model_options={"hidden_units": (16,)})
    assert made.record["kept_epoch"] == 2
    assert made.record["parameters"] == 784 * 16 + 16 + 16 * 10 + 10
    config = json.loads((made.folder / "config.json").read_text())
    assert config["options"] == {"hidden_units": [16]}


def test_without_validation_images_the_last_epoch_is_kept(tmp_path, garments):
    recipe = RECIPE.replace(data_split="full", keep="last", epochs=2)
    made = run(tmp_path, garments, recipe)
    assert made.record["kept_epoch"] == 2
    assert made.record["dataset"]["train"] == len(garments.y_train)
    assert made.record["dataset"]["validation"] == 0
    assert "validation" not in made.record
    with open(made.folder / "history.csv") as file:
        assert "val_accuracy" not in next(csv.DictReader(file))
    with open(made.folder / "per_class.csv") as file:
        supports = [int(row["support"]) for row in csv.DictReader(file)]
    assert sum(supports) == 2 * len(garments.y_train)


def test_fashionnet_reads_four_tenths_of_the_test_images(tmp_path, garments):
    recipe = RECIPE.replace(data_split="fashionnet", keep="last", epochs=1)
    made = run(tmp_path, garments, recipe)
    assert made.record["test"]["count"] == len(garments.y_test) * 4 // 10
    assert made.record["dataset"]["validation"] == len(garments.y_test) * 6 // 10


@pytest.mark.parametrize("optimizer", ["adam", "ranger21"])
def test_the_moving_average_of_the_weights_is_measured_and_kept(
    tmp_path, garments, optimizer
):
    recipe = RECIPE.replace(optimizer=optimizer, keep="last", epochs=2)
    averaged = recipe.replace(ema=0.99)
    own = fit("mlp", recipe, garments, folder=tmp_path / "own")
    made = fit("mlp", averaged, garments, folder=tmp_path / "averaged")
    # Training is the same; what is measured and kept is not.
    assert [row["loss"] for row in made.history] == [row["loss"] for row in own.history]
    assert made.history[-1]["val_loss"] != own.history[-1]["val_loss"]
    engine = create_engine(made.model, loss=build_loss(recipe))
    totals = engine.evaluate(made.split.validation)
    assert totals.loss == pytest.approx(made.history[-1]["val_loss"], rel=1e-5)


def test_a_bfloat16_run_is_published_in_float32(tmp_path, garments):
    made = run(tmp_path, garments, RECIPE.replace(precision="bfloat16", epochs=1))
    assert made.record["precision"] == "bfloat16"
    model = keras.models.load_model(made.artifact)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_an_output_folder_that_cannot_be_written_stops_before_training(
    tmp_path, garments
):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="Cannot write to the folder"):
        run(tmp_path, garments, out=tmp_path / "file" / "models")
    assert not (tmp_path / "runs").exists()
