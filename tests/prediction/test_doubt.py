"""Predictions that should doubt do: faint pictures, several objects, other things."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from fmkeras.datasets import DataNotFound, load_dataset
from fmkeras.datasets.image_files import count_objects, read_picture
from fmkeras.prediction.predict import FAR, predict_pictures, write_predictions
from fmkeras.prediction.typical import FILE, are_far, distances, make_reference


def drawn(path, *boxes, ink=40, paper=255):
    picture = Image.new("L", (120, 100), paper)
    for box in boxes:
        ImageDraw.Draw(picture).rectangle(box, fill=ink)
    picture.save(path)
    return path


def letters():
    font = ImageFont.load_default(size=24)
    for letter in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        image = Image.new("L", (28, 28))
        ImageDraw.Draw(image).text((14, 14), letter, 255, font, anchor="mm")
        yield np.asarray(image)


def test_a_faint_picture_is_doubtful(tmp_path):
    box = (40, 20, 80, 90)
    assert read_picture(drawn(tmp_path / "a.png", box)).doubts == ()
    faint = read_picture(drawn(tmp_path / "b.png", box, ink=210))
    assert faint.doubts == ("low contrast",)


def test_several_objects_are_doubtful(tmp_path):
    one, two = (10, 20, 50, 90), (70, 20, 110, 90)
    assert read_picture(drawn(tmp_path / "a.png", one, two)).doubts == (
        "several objects",
    )
    # A small part beside the garment is its own.
    heel = (70, 60, 80, 70)
    assert read_picture(drawn(tmp_path / "b.png", one, heel)).doubts == ()
    assert count_objects(np.zeros((5, 5), bool)) == 0


def test_letters_are_far_from_garments():
    assert are_far(np.stack(list(letters()))).mean() > 0.9
    blank = np.zeros((1, 28, 28), np.uint8)
    assert are_far(blank).all()


def test_the_test_images_are_not_far_and_the_file_is_theirs():
    try:
        dataset = load_dataset("fashion-mnist", download=False)
    except DataNotFound:
        pytest.skip("needs Fashion-MNIST")
    assert are_far(dataset.x_test).mean() == pytest.approx(0.01, abs=0.004)
    four = np.stack(
        [np.tile(image[::2, ::2], (2, 2)) for image in dataset.x_test[:500]]
    )
    assert are_far(four).mean() > 0.6
    means, limit = make_reference(dataset.x_train)
    with np.load(FILE) as arrays:
        np.testing.assert_array_equal(arrays["means"], means)
        assert float(arrays["limit"]) == pytest.approx(limit)
    # Brightness is no matter.
    dark = dataset.x_test[:200] // 2
    np.testing.assert_allclose(
        distances(dark), distances(dataset.x_test[:200]), atol=0.02
    )


def test_doubts_stand_beside_the_prediction(tmp_path):
    picture = read_picture(
        drawn(tmp_path / "a.png", (10, 20, 50, 90), (70, 20, 110, 90))
    )
    shares = np.full((1, 10), 0.1)

    def predict(model, images):
        return shares

    (one,) = predict_pictures(None, [picture], predict)
    assert one.doubts[0] == "several objects"
    assert "; doubtful: several objects" in one.to_text()
    write_predictions([one], tmp_path / "table.csv")
    head, line = (tmp_path / "table.csv").read_text().splitlines()
    assert head.endswith(",doubts") and "several objects" in line
    # Models of other classes have no training images to be far from.
    (other,) = predict_pictures(None, [picture], predict, [str(n) for n in range(10)])
    assert FAR not in other.doubts
