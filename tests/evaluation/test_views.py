"""Test-time views: what is looked at, the mean, and how it is reported."""

import json

import numpy as np
import pytest

from fmkeras.__main__ import main
from fmkeras.artifacts.keras_file import load_artifact, save_artifact
from fmkeras.datasets import load_dataset
from fmkeras.engines import predict
from fmkeras.evaluation.evaluate import as_probabilities
from fmkeras.evaluation.views import VIEWS, View, average_over_views, seen
from fmkeras.models import build_model

IMAGES = np.random.default_rng(0).integers(1, 256, (3, 28, 28)).astype(np.uint8)


@pytest.mark.parametrize("name", VIEWS)
def test_views_of_an_image_sum_to_one(name):
    assert sum(view.weight for view in VIEWS[name]) == 1
    assert VIEWS[name][0] == View(VIEWS[name][0].weight)


def test_an_image_is_flipped_then_moved():
    moved = seen(IMAGES, View(1.0, down=1, right=-2))
    assert moved.dtype == np.uint8
    assert not moved[:, 0].any() and not moved[:, :, -2:].any()
    np.testing.assert_array_equal(moved[:, 1:, :-2], IMAGES[:, :-1, 2:])
    both = seen(IMAGES, View(1.0, True, -1, 1))
    np.testing.assert_array_equal(both[:, :-1, 1:], IMAGES[:, 1:, ::-1][:, :, :-1])
    np.testing.assert_array_equal(seen(IMAGES, View(1.0)), IMAGES)


@pytest.mark.every_backend
def test_the_engine_averages_the_outputs_over_the_views():
    model = build_model("lenet_relu", head="probabilities", seed=1)
    plain = predict(model, IMAGES)
    np.testing.assert_array_equal(predict(model, IMAGES, views="none"), plain)
    mirrored = predict(model, IMAGES[:, :, ::-1])
    both = predict(model, IMAGES, views="mirror")
    np.testing.assert_allclose(both, (plain + mirrored) / 2, rtol=1e-5, atol=1e-7)
    six = predict(model, IMAGES, views="mirror-shift")
    np.testing.assert_allclose(six.sum(axis=1), 1, rtol=1e-5)
    # By hand: the image and its mirror image, each in its place for a quarter of the
    # mean, and moved by a pixel along the diagonal, both ways, for an eighth each.
    padded = [
        np.pad(one, ((0, 0), (1, 1), (1, 1))) for one in (IMAGES, IMAGES[:, :, ::-1])
    ]
    expected = sum(
        weight * predict(model, np.ascontiguousarray(one[:, i : i + 28, i : i + 28]))
        for one in padded
        for i, weight in ((0, 0.125), (1, 0.25), (2, 0.125))
    )
    np.testing.assert_allclose(six, expected, rtol=1e-5, atol=1e-7)
    # The mean of a flipped image is the same as that of the image itself.
    again = predict(model, IMAGES[:, :, ::-1], views="mirror")
    np.testing.assert_allclose(again, both, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("head", ["logits", "probabilities"])
def test_views_average_probabilities_whatever_the_model_gives(head):
    model = build_model("lenet_relu", head=head, seed=1)
    if head == "logits":
        # So that a mean of logits would be another.
        kernel, bias = model.layers[-1].get_weights()
        model.layers[-1].set_weights([20 * kernel, bias])
    plain, mirrored = predict(model, IMAGES), predict(model, IMAGES[:, :, ::-1])
    expected = (as_probabilities(plain) + as_probabilities(mirrored)) / 2
    found = predict(model, IMAGES, views="mirror")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_timed_run_averages_what_the_network_gives():
    logits = {1: np.array([[0.0, 4.0]]), 2: np.array([[1.0, 0.0]])}
    images = np.array([[[1, 2]]], np.uint8)
    found = average_over_views(lambda x: logits[int(x[0, 0, 0])], images, "mirror")
    np.testing.assert_allclose(found, [[0.5, 2.0]])


def test_evaluate_reports_views_apart(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_artifact(build_model("lenet_relu", seed=1), "net", {}, "saved_models")
    data = ["--data", "garments", "--train-size", "100", "--test-size", "50"]
    for kind in ("none", "mirror"):
        flags = ["--views", kind, "--json", f"{kind}.json"]
        assert main(["evaluate", "--model", "net", *data, *flags]) == 0
    out, _ = capsys.readouterr()
    assert out.count("With 2 views of each image (mirror): accuracy 0.") == 1
    plain = json.loads((tmp_path / "none.json").read_text())
    seen_twice = json.loads((tmp_path / "mirror.json").read_text())
    assert "views" not in plain
    assert seen_twice["accuracy"] == plain["accuracy"]
    assert seen_twice["views"]["kind"] == "mirror"
    model = load_artifact("net", "saved_models")
    dataset = load_dataset("garments", train_size=100, test_size=50)
    found = predict(model, dataset.x_test, views="mirror").argmax(axis=1)
    assert seen_twice["views"]["accuracy"] == (found == dataset.y_test).mean()


def test_predict_takes_views(tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    save_artifact(build_model("lenet_relu", seed=1), "net", {}, "saved_models")
    pixels = np.full((40, 30), 255, np.uint8)
    pixels[8:30, 6:20] = 40
    Image.fromarray(pixels).save("shirt.png")
    answers = []
    for views in ("none", "mirror-shift"):
        assert main(["predict", "shirt.png", "--model", "net", "--views", views]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] != answers[1]
