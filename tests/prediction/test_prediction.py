"""Twenty pictures drawn here, of every size, colour and background, are recognised."""

import csv
import dataclasses
import os
import re
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from fmkeras.__main__ import main
from fmkeras.datasets.garments.draw import draw_garments
from fmkeras.datasets.image_files import read_picture
from fmkeras.errors import UserError
from fmkeras.labels import CLASS_NAMES
from fmkeras.prediction import predict as prediction

# Width, height, left, top, scale; background; garment's colour at full intensity.
PLACES = [
    (64, 64, 4, 4, 2),
    (300, 200, 90, 30, 5),
    (180, 500, 10, 130, 6),
    (28, 28, 0, 0, 1),
    (1000, 900, 700, 40, 9),
]
COLOURS = [
    ((255, 255, 255), (0, 0, 0)),  # dark on white, as a shop's photograph
    ((0, 0, 0), (255, 255, 255)),  # light on black, as the data set
    ((250, 240, 200), (90, 10, 30)),
    ((20, 40, 60), (250, 220, 90)),
]

AS_IT_IS = ("28 x 28, light on dark: taken as it is",)


def draw(image, place, colours):
    """Put a 28 x 28 garment, enlarged and coloured, on a larger plain picture."""
    width, height, left, top, scale = place
    ground, garment = (np.array(colour, np.float64) for colour in colours)
    share = np.kron(image, np.ones((scale, scale)))[..., None] / 255
    picture = np.tile(ground, (height, width, 1))
    rows, columns = share.shape[:2]
    picture[top : top + rows, left : left + columns] = (
        ground * (1 - share) + garment * share
    )
    return picture.round().astype(np.uint8)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Twenty files, two of each class, and their labels."""
    folder = tmp_path_factory.mktemp("pictures")
    images, labels = draw_garments(20, 5)
    for number, image in enumerate(images):
        place, colours = PLACES[number % 5], COLOURS[number // 5]
        picture = Image.fromarray(draw(image, place, colours))
        suffix = (".png", ".bmp", ".jpg", ".webp")[number // 5]
        options = {"quality": 95} if suffix in (".jpg", ".webp") else {}
        picture.save(folder / f"{number:02}{suffix}", **options)
    return folder, images, labels


def framed(image):
    """In a frame of one pixel: an image of 28 x 28 would be taken as it is."""
    return Image.fromarray(np.pad(image, 1))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A linear classifier of prepared garments, by least squares."""
    folder = tmp_path_factory.mktemp("model")
    images, labels = draw_garments(600, 1)
    prepared = []
    for image in images:
        framed(image).save(folder / "one.png")
        prepared.append(read_picture(folder / "one.png").pixels.ravel() / 255)
    pixels = np.array(prepared)
    gram = pixels.T @ pixels + 20 * np.eye(784)
    kernel = 10 * np.linalg.solve(gram, pixels.T @ (np.eye(10)[labels] - 0.1))
    inputs = keras.Input((28, 28, 1), name="pixels")
    x = keras.layers.Rescaling(1 / 255, name="scale")(inputs)
    x = keras.layers.Flatten(name="flatten")(x)
    net = keras.Model(inputs, keras.layers.Dense(10, name="logits")(x))
    net.set_weights([kernel, np.zeros(10)])
    net.save(folder / "linear.keras")
    return folder / "linear.keras"


def run(arguments):
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as error:
        return error.code


def test_twenty_pictures_are_recognised(drawn, model, tmp_path, capsys):
    folder, _, labels = drawn
    assert run(["predict", folder, "--model", model, "--out", tmp_path / "seen"]) == 0
    output = capsys.readouterr().out
    with open(tmp_path / "seen/predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    right = [r["class"] == CLASS_NAMES[n] for r, n in zip(rows, labels, strict=True)]
    assert sum(right) >= 16, [row["class"] for row in rows]
    for row in rows:
        shares = {name: float(row[name]) for name in CLASS_NAMES}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert max(shares, key=shares.get) == row["class"]
        assert f"{Path(row['file']).name}: {row['class']} " in output
        with Image.open(
            tmp_path / "seen" / f"{Path(row['file']).stem}-28x28.png"
        ) as png:
            assert (png.size, png.mode) == ((28, 28), "L")


def test_every_picture_gives_what_its_plain_form_gives(drawn, tmp_path):
    folder, images, _ = drawn
    notes, likeness = [], []
    for image, path in zip(images, sorted(folder.iterdir()), strict=True):
        framed(image).save(tmp_path / "plain.png")
        plain, seen = read_picture(tmp_path / "plain.png"), read_picture(path)
        if seen.notes == AS_IT_IS:
            # Drawn 28 x 28, light on black.
            np.testing.assert_array_equal(seen.pixels, image)
            continue
        likeness.append(np.corrcoef(plain.pixels.ravel(), seen.pixels.ravel())[0, 1])
        notes += seen.notes
    # A strap of a sandal may end a pixel higher.
    assert min(likeness) > 0.8 and np.median(likeness) > 0.99
    assert notes[:5] == ["dark on light: inverted"] * 5
    assert notes[5:9] == ["light on dark: kept"] * 4
    assert notes[9:14] == ["dark on light: inverted"] * 5


def save(tmp_path, pixels, name="a.png", **options):
    Image.fromarray(np.asarray(pixels, np.uint8), **options).save(tmp_path / name)
    return tmp_path / name


def square(side=100, low=30, high=70, ground=255, value=0):
    pixels = np.full((side, side), ground)
    pixels[low:high, low:high] = value
    return pixels


def test_a_square_fills_the_canvas_and_white_stays_nothing(tmp_path):
    pixels = read_picture(save(tmp_path, square(value=55))).pixels
    np.testing.assert_array_equal(pixels, np.full((28, 28), 200))


def test_the_longest_side_is_28_and_the_rest_is_centred_by_mass(tmp_path):
    picture = np.full((200, 200), 255)
    picture[40:152, 20:76] = 0  # 112 high, 56 wide: 28 x 14
    seen = read_picture(save(tmp_path, picture)).pixels
    assert (seen[:, 7:21] == 255).all() and not seen[:, :7].any()
    assert not seen[:, 21:].any()
    picture[40:152, 20:27] = 200  # the left eighth is pale: the mass moves right
    shifted = read_picture(save(tmp_path, picture)).pixels
    assert np.flatnonzero(shifted.any(axis=0))[0] == 6


def test_shrinking_is_by_area(tmp_path):
    picture = np.full((56, 56), 255)
    picture[::2] = 155  # rows of 100 and of 0, two of which make one
    picture[0], picture[-1], picture[:, 0], picture[:, -1] = 155, 155, 155, 155
    seen = read_picture(save(tmp_path, np.pad(picture, 9, constant_values=255))).pixels
    assert (seen[2:-2, 2:-2] == 50).all()


@pytest.mark.parametrize(
    ("grey", "ground"), [((40, 60, 80), "white"), ((240, 240, 235), "black")]
)
def test_transparent_pictures(grey, ground, tmp_path):
    pixels = np.zeros((60, 60, 4), np.uint8)
    pixels[10:50, 10:50] = (*grey, 255)
    picture = read_picture(save(tmp_path, pixels))
    assert picture.notes[0] == f"transparent: composited on {ground}"
    bright = np.array(grey) @ (0.299, 0.587, 0.114)
    expected = 255 - bright if ground == "white" else bright
    assert abs(int(picture.pixels[14, 14]) - expected) <= 1


def test_colours_of_one_brightness(tmp_path):
    pixels = np.zeros((50, 50, 3), np.uint8)
    pixels[:] = (200, 60, 60)
    pixels[10:40, 10:40] = (60, 128, 80)
    picture = read_picture(save(tmp_path, pixels))
    assert "by colour" in picture.notes[0] and (picture.pixels > 100).all()


def test_a_photograph_turned_by_its_camera(tmp_path):
    pixels = square()
    pixels[30:70, 30:50] = 128
    picture = Image.fromarray(pixels.astype(np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    picture.save(tmp_path / "a.png", exif=exif)
    seen = read_picture(tmp_path / "a.png").pixels
    assert seen[5, 14] < 130 and seen[22, 14] == 255


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "LA", "I;16"])
def test_every_mode_of_pillow(mode, tmp_path):
    plain = Image.fromarray(square().astype(np.uint8))
    if mode == "I;16":
        picture = Image.fromarray(square().astype(np.uint16) * 257)
    else:
        picture = plain.convert(mode)
    suffix = ".tif" if mode == "CMYK" else ".png"
    picture.save(tmp_path / f"a{suffix}")
    assert (read_picture(tmp_path / f"a{suffix}").pixels > 250).all()


def test_a_picture_of_one_pixel_more_than_nothing(tmp_path):
    pixels = np.full((9, 9), 255)
    pixels[4, 4] = 0
    assert read_picture(save(tmp_path, pixels)).pixels.any()


def empty(tmp_path):
    return save(tmp_path, np.full((40, 40), 255))


def text(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    return tmp_path / "a.png"


def cut(tmp_path):
    path = save(tmp_path, np.random.default_rng(0).integers(0, 255, (90, 90)))
    path.write_bytes(path.read_bytes()[:3000])
    return path


def huge(tmp_path):
    path = tmp_path / "a.png"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.new("1", (20_000, 10_000)).save(path)
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "absent.png", "There is no picture '.*absent.png'"),
        (empty, "shows only its background"),
        (text, "cannot be read as a picture"),
        (cut, "cannot be read as a picture"),
        (huge, "is too large"),
        (lambda folder: folder, "There is no picture; expected"),
    ],
    ids=["absent", "empty", "text", "cut", "huge", "folder"],
)
def test_what_is_no_picture_is_one_line(make, message, tmp_path, model, capsys):
    path = make(tmp_path)
    out = tmp_path / "seen"
    assert run(["predict", path, "--model", model, "--out", out]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and error.count("\n") == 1, error
    assert not out.exists()


def test_a_folder_is_read_in_spite_of_what_is_no_picture(tmp_path, model, capsys):
    save(tmp_path, square())
    (tmp_path / "b.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("nor is this looked at")
    assert run(["predict", tmp_path, "--model", model, "--out", tmp_path / "o"]) == 0
    output, error = capsys.readouterr()
    assert error.startswith("skipped: The file") and error.count("\n") == 1
    assert output.count("-28x28.png") == 1 and "Table: " in output


def test_files_of_one_name_are_both_kept(tmp_path):
    pictures = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pictures.append(read_picture(save(tmp_path / name, square())))
    found = prediction.predict_pictures(None, pictures, lambda m, x: np.eye(10)[:2])
    assert [one.label for one in found] == ["T-shirt/top", "Trouser"]
    paths = prediction.keep_what_was_seen(found, tmp_path / "seen")
    assert [path.name for path in paths] == ["a-28x28.png", "a-2-28x28.png"]


def test_a_table_of_two_classes_has_a_cell_under_each_heading(tmp_path):
    picture = read_picture(save(tmp_path, square()))
    found = prediction.predict_pictures(
        None, [picture], lambda m, x: np.array([[0.9, 0.1]]), ("cat", "dog")
    )
    table = prediction.Predictions(found)._repr_html_()
    head, row = re.findall("<tr>(.*)</tr>", table)
    assert head.count("<th>") == 6 == row.count("<th>") + row.count("<td>")
    assert row.endswith("<td></td>") and "<td>dog 10.0%</td><td></td>" in row


def test_names_that_are_no_text_are_told_apart_in_the_table(tmp_path):
    pixels = read_picture(save(tmp_path, square()))
    pictures = [
        dataclasses.replace(pixels, path=Path(os.fsdecode(name)))
        for name in (b"\xe9.png", b"\xe8.png")
    ]
    found = prediction.predict_pictures(None, pictures, lambda m, x: np.eye(10)[:2])
    prediction.write_predictions(found, tmp_path / "a.csv")
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    assert names == ["\\udce9.png", "\\udce8.png"]


def test_no_pictures_at_all_are_refused():
    with pytest.raises(UserError, match="Received: none"):
        prediction.find_pictures([])


def test_an_image_in_the_form_of_the_data_set_goes_in_as_it_is(garments, tmp_path):
    for number, image in enumerate(garments.x_test[:60]):
        path = tmp_path / f"{number}.png"
        Image.fromarray(image).save(path)
        np.testing.assert_array_equal(read_picture(path).pixels, image)

    # The same on white is a picture as any other.
    Image.fromarray(255 - garments.x_test[0]).save(tmp_path / "white.png")
    assert "inverted" in " ".join(read_picture(tmp_path / "white.png").notes)


def test_every_picture_in_a_folder_is_told_of(tmp_path, model, capsys):
    picture = Image.fromarray(square().astype(np.uint8))
    for name in ("a.jfif", "b.avif", "c.JPG"):
        kind = "AVIF" if name.endswith("avif") else "JPEG"
        picture.convert("RGB").save(tmp_path / name, kind)
    (tmp_path / "d.heic").write_bytes(b"\0\0\0\x18ftypheic")
    assert run(["predict", tmp_path, "--model", model, "--out", tmp_path / "o"]) == 0
    output, error = capsys.readouterr()
    assert all(name in output for name in ("a.jfif", "b.avif", "c.JPG"))
    assert "d.heic" in error and "skipped" in error


def test_no_program_is_run_for_a_picture(tmp_path):
    path = tmp_path / "page.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
    with pytest.raises(UserError, match="cannot be read as a picture"):
        read_picture(path)
