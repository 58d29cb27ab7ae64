"""Data of your own: folders of pictures, IDX, NPZ and CSV files, and sets by name."""

import gzip
import hashlib
import re

import numpy as np
import pytest
from PIL import Image
from support.data_files import idx_bytes

from fmkeras.datasets import load_dataset, named
from fmkeras.datasets.own.arrays import split_off_test, stretch, to_images, white_of
from fmkeras.datasets.own.classes import number_labels
from fmkeras.errors import UserError

NAMES = ("ant", "bee", "cow")
generator = np.random.default_rng(4)
IMAGES = generator.integers(0, 256, (24, 28, 28)).astype(np.uint8)
LABELS = np.arange(24) % 3


def write_pictures(folder, images=IMAGES, labels=LABELS, names=NAMES, suffix=".png"):
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / names[label] / f"{number:03}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def refusal(*arguments, **flags):
    with pytest.raises(UserError) as caught:
        load_dataset(*arguments, **flags)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_folder_a_class_is_split_stratified_and_the_same_by_seed(tmp_path):
    folder = write_pictures(tmp_path / "zoo animals")
    data = load_dataset(str(folder))
    assert (data.name, data.class_names) == ("zoo-animals", NAMES)
    assert np.bincount(data.y_test).tolist() == [1, 1, 1]
    assert np.bincount(data.y_train).tolist() == [7, 7, 7]
    both = np.concatenate([data.x_train, data.x_test])
    labels = np.concatenate([data.y_train, data.y_test])
    for image, label in zip(both, labels, strict=True):
        assert any((image == one).all() for one in IMAGES[label == LABELS])
    assert load_dataset(str(folder)).checksum == data.checksum
    others = {load_dataset(str(folder), seed=s).checksum for s in range(1, 5)}
    assert others - {data.checksum}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_train_and_test_folders_are_the_two_parts(tmp_path, suffix):
    write_pictures(tmp_path / "train", IMAGES[:12], LABELS[:12], suffix=suffix)
    write_pictures(tmp_path / "val", IMAGES[12:15], LABELS[12:15], suffix=suffix)
    write_pictures(tmp_path / "test", IMAGES[15:], LABELS[15:], suffix=suffix)
    data = load_dataset(str(tmp_path))
    assert (len(data.y_train), len(data.y_test)) == (15, 9)
    assert data.class_names == NAMES
    if suffix == ".png":
        assert (data.x_test[data.y_test == 0] == IMAGES[15:][LABELS[15:] == 0]).all()


def test_numbered_folders_are_in_their_order_and_a_list_gives_another(tmp_path):
    names = ("2", "10", "1")
    folder = write_pictures(tmp_path / "numbers", names=names)
    assert load_dataset(str(folder)).class_names == ("1", "2", "10")
    (folder / "classes.txt").write_text("10\n1\n2\n")
    assert load_dataset(str(folder)).class_names == ("10", "1", "2")
    (folder / "classes.txt").write_text("10\n1\nthree\n")
    assert "in one of them alone" in refusal(str(folder))


def test_pictures_of_other_sizes_are_stretched_or_prepared_as_predict_does(tmp_path):
    wide = np.zeros((3, 56, 112), np.uint8)
    wide[:, 10:40, 20:60] = 200
    folder = write_pictures(tmp_path, np.repeat(wide, 2, 0), np.arange(6) % 3)
    stretched = load_dataset(str(folder)).x_train
    assert (stretched[0][5:20, 5:15] == 200).all() and not stretched[0][:, 16:].any()
    prepared = load_dataset(str(folder), resize="predict").x_train
    # Trimmed, and its longest side is 28 pixels.
    assert (prepared[0] > 0).any(axis=0).all()


def test_letters_of_any_language_stay_in_the_name(tmp_path):
    """Two names became one."""
    for name in ("Schuhe und Hüte", "Schuhe und Hu\u0308te"):  # as macOS writes it
        folder = write_pictures(tmp_path / name)
        assert load_dataset(folder).name == "Schuhe-und-Hüte"
    assert load_dataset(write_pictures(tmp_path / "靴 (neu)")).name == "靴-neu"
    assert load_dataset(write_pictures(tmp_path / "जूते")).name == "जूते"


def test_a_bad_picture_is_named_or_left_out_and_listed(tmp_path, capsys):
    folder = write_pictures(tmp_path)
    bad = folder / "bee" / "broken.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    assert str(bad) in refusal(str(folder)) and "--skip-bad" in refusal(str(folder))
    bad.write_bytes(b"no picture")
    assert "BufferedReader" not in refusal(str(folder))
    data = load_dataset(str(folder), skip_bad=True)
    assert len(data.y_train) + len(data.y_test) == 24
    assert f"left out: '{bad}'" in capsys.readouterr().err


def test_a_folder_without_pictures_is_no_class_and_is_said(tmp_path, capsys):
    folder = write_pictures(tmp_path)
    (folder / "dog").mkdir()
    assert load_dataset(str(folder)).class_names == NAMES
    assert f"left out: '{folder / 'dog'}' holds no picture" in capsys.readouterr().err


def test_pictures_that_are_in_no_class_are_listed(tmp_path, capsys):
    """They were passed over without a word."""
    write_pictures(tmp_path / "train")
    write_pictures(tmp_path / "tests", IMAGES[:6], LABELS[:6])
    data = load_dataset(str(tmp_path))
    assert (len(data.y_train), len(data.y_test)) == (24, 6)
    assert "left out" not in capsys.readouterr().err
    write_pictures(tmp_path / "more", IMAGES[:6], LABELS[:6])
    write_pictures(tmp_path, IMAGES[:1], LABELS[:1])  # ant/ beside train/
    write_pictures(tmp_path / "train/bee", IMAGES[:2], LABELS[:2])
    (tmp_path / "notes").mkdir()
    (tmp_path / "train/dog").mkdir()
    for place in (".", "train"):
        Image.fromarray(IMAGES[0]).save(tmp_path / place / "loose.png")
    assert load_dataset(str(tmp_path)).checksum == data.checksum
    where = f"the classes are folders in '{tmp_path}/train' and '{tmp_path}/tests'"
    assert capsys.readouterr().err.splitlines() == [
        f"left out: '{tmp_path}/train/dog' holds no picture",
        f"left out: 1 picture in '{tmp_path}'; {where}",
        f"left out: 1 picture in '{tmp_path}/ant'; {where}",
        f"left out: 6 pictures in '{tmp_path}/more'; {where}",
        f"left out: 1 picture in '{tmp_path}/train'; {where}",
        f"left out: 1 picture in '{tmp_path}/train/bee/ant'; {where}",
        f"left out: 1 picture in '{tmp_path}/train/bee/bee'; {where}",
    ]


def test_pictures_beside_undivided_classes_are_listed(tmp_path, capsys):
    write_pictures(tmp_path)
    write_pictures(tmp_path / "val", IMAGES[:6], LABELS[:6])
    Image.fromarray(IMAGES[0]).save(tmp_path / "loose.png")
    data = load_dataset(str(tmp_path))
    assert len(data.y_train) + len(data.y_test) == 24
    where = f"the classes are folders in '{tmp_path}'"
    assert capsys.readouterr().err.splitlines() == [
        f"left out: 1 picture in '{tmp_path}'; {where}",
        f"left out: 6 pictures in '{tmp_path}/val'; {where}",
    ]


def test_what_is_beside_folders_of_pictures_is_no_data_set(tmp_path):
    """A class named idx_cards, an archive of features."""
    names = ("idx_cards", "some.npz", "letters.csv")
    folder = write_pictures(tmp_path / "cards", names=names)
    Image.fromarray(IMAGES[0]).save(folder / "some.npz/train_images_idx3.png")
    np.savez(folder / "features.npz", features=LABELS)
    (folder / "idx_train_labels.txt").write_text("0\n")
    assert load_dataset(str(folder)).num_classes == 3
    np.savez(folder / "images.npz", x_train=IMAGES, y_train=LABELS % 2)
    assert load_dataset(str(folder)).num_classes == 2


def test_an_archive_without_images_is_passed_over(tmp_path):
    np.savez(tmp_path / "features.npz", features=LABELS)
    assert "features.npz' lacks x_train and y_train" in refusal(str(tmp_path))
    write_idx(tmp_path)
    assert (load_dataset(str(tmp_path)).x_train == IMAGES[:18]).all()
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", x_train=IMAGES, y_train=LABELS)
    assert "Received: a.npz, b.npz" in refusal(str(tmp_path))


def test_faults_of_folders_are_named(tmp_path, monkeypatch):
    assert "There is no data" in refusal(str(tmp_path / "nowhere"))
    assert "There is no data set" in refusal(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert "There is no data at 'nowhere'" in refusal("./nowhere")
    write_pictures(tmp_path / "parts" / "test")
    assert "has no training pictures beside it" in refusal("parts")
    one = write_pictures(tmp_path / "one", IMAGES[:3], [0, 0, 0])
    assert "holds 1 folder of pictures" in refusal(str(one))
    few = write_pictures(tmp_path / "few", IMAGES[:3], [0, 0, 1])
    assert "has a single image" in refusal(str(few))
    odd = tmp_path / "odd"
    write_pictures(odd / "train")
    write_pictures(
        odd / "test", IMAGES[:3], names=("ant", "bee", "cat"), labels=[0, 1, 2]
    )
    assert "cat' is of a class without training pictures" in refusal(str(odd))
    assert "leave --data-dir" in refusal(str(few), str(one))
    assert "only 'garments'" in refusal(str(few), train_size=3)


@pytest.mark.parametrize(
    "names",
    [
        ("train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("train-images-idx3-ubyte/train-images-idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("kuzushiji-train-images-idx3-ubyte.gz", "kuzushiji-test-labels-idx1-ubyte"),
    ],
)
def test_idx_files_under_any_of_their_names(tmp_path, names):
    write_idx(tmp_path, *names)
    data = load_dataset(str(tmp_path))
    assert (data.x_train == IMAGES[:18]).all() and (data.x_test == IMAGES[18:]).all()
    assert data.y_test.tolist() == LABELS[18:].tolist()
    assert data.class_names == ("0", "1", "2")
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    assert load_dataset(str(tmp_path)).class_names == NAMES


def write_idx(folder, images="train-images-idx3-ubyte", test="t10k-labels-idx1-ubyte"):
    """Write four files, named after those of the training images and test labels."""
    contents = {
        images: IMAGES[:18],
        images.replace("images", "labels").replace("idx3", "idx1"): LABELS[:18],
        test.replace("labels", "images").replace("idx1", "idx3"): IMAGES[18:],
        test: LABELS[18:],
    }
    for name, array in contents.items():
        content = idx_bytes(array)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


def test_faults_of_idx_files_are_named(tmp_path):
    write_idx(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert "is truncated" in refusal(str(tmp_path)) and str(path) in refusal(
        str(tmp_path)
    )
    path.write_bytes(whole + b"12")
    assert "is too long" in refusal(str(tmp_path))
    path.write_bytes(b"no IDX file at all")
    assert "is no IDX file" in refusal(str(tmp_path))
    path.write_bytes(idx_bytes(IMAGES[:2]))
    assert "do not belong together" in refusal(str(tmp_path))
    path.unlink()
    assert "lacks the images of the test part" in refusal(str(tmp_path))
    write_idx(tmp_path)
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    assert "no name in 'classes.txt'" in refusal(str(tmp_path))
    (tmp_path / "classes.txt").write_text("ant\nbee\nant\n")
    assert "ant twice" in refusal(str(tmp_path))


def test_an_npz_file_with_and_without_a_test_part(tmp_path):
    path = tmp_path / "mine.npz"
    parts = {"x_train": IMAGES[:18], "y_train": LABELS[:18]}
    np.savez(path, **parts, x_test=IMAGES[18:], y_test=LABELS[18:])
    data = load_dataset(str(path))
    assert data.name == "mine" and (data.x_test == IMAGES[18:]).all()
    names = np.array(NAMES)[LABELS]
    np.savez(path, x_train=IMAGES[..., None] / 255, y_train=names)
    data = load_dataset(str(path))
    assert data.class_names == NAMES and data.x_train.dtype == np.uint8
    assert np.bincount(data.y_test).tolist() == [1, 1, 1]
    np.savez(path, x_train=IMAGES.reshape(24, 784), y_train=np.eye(3)[LABELS])
    data = load_dataset(str(path))
    for image, label in zip(data.x_train, data.y_train, strict=True):
        assert any((image == one).all() for one in IMAGES[label == LABELS])


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({"x_train": IMAGES}, "lacks y_train"),
        ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES}, "lacks y_test"),
        ({"x_train": IMAGES, "y_train": LABELS[:5]}, "labels y_train .* of no use"),
        ({"x_train": IMAGES, "y_train": LABELS / 7}, "labels y_train .* of no use"),
        ({"x_train": IMAGES * 1.5, "y_train": LABELS}, "pixels of no use"),
        ({"x_train": IMAGES - 300.0, "y_train": LABELS}, "pixels of no use"),
        ({"x_train": IMAGES[..., None, None], "y_train": LABELS}, "shape of no use"),
        ({"x_train": IMAGES, "y_train": 0 * LABELS}, "of 1 class;"),
        ({"x_train": np.array(3), "y_train": LABELS}, "of no use.*, 0 images"),
        ({"x_train": np.array(3), "y_train": LABELS[:0]}, "of no use"),
    ],
)
def test_faults_of_npz_files_are_named(tmp_path, arrays, words):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    message = refusal(str(path))
    assert re.search(words, message) and str(path) in message


def test_objects_in_npz_files_are_not_opened(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, x_train=np.array([{}], object), y_train=LABELS)
    assert "cannot be read" in refusal(str(path))
    path.write_bytes(b"PK none")
    assert "cannot be read" in refusal(str(path))


def test_csv_files_by_their_folder(tmp_path):
    for name, part in (("train", slice(0, 18)), ("test", slice(18, 24))):
        rows = np.column_stack([LABELS[part], IMAGES[part].reshape(-1, 784)])
        text = "\n".join(",".join(map(str, row)) for row in rows)
        (tmp_path / f"my_{name}.csv").write_text(text + "\n")
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    data = load_dataset(str(tmp_path))
    assert (data.x_train == IMAGES[:18]).all() and data.class_names == NAMES


def test_one_csv_file_of_many_classes_is_split(tmp_path):
    labels = np.arange(24) % 12
    rows = np.column_stack([labels, IMAGES.reshape(-1, 784)])
    path = tmp_path / "twelve.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
    data = load_dataset(str(path))
    assert data.num_classes == 12 and len(data.y_train) == len(data.y_test) == 12
    assert "label in column 1" in refusal("csv", f"{path},{path}")


def test_labels_are_numbered():
    train, test = np.array([1, 26, 3]), np.array([2])
    letters = [chr(ord("A") + i) for i in range(26)]
    y_train, y_test, names = number_labels(train, test, letters, "files")
    assert y_train.tolist() == [0, 25, 2] and y_test.tolist() == [1]
    y_train, _, names = number_labels(np.array([7, 3, 7]), np.array([9]), None, "files")
    assert (y_train.tolist(), names) == ([1, 0, 1], ("3", "7", "9"))
    words = np.array(["cow", "ant"])
    y_train, _, _ = number_labels(words, words[:1], ("cow", "bee", "ant"), "files")
    assert y_train.tolist() == [0, 2]
    with pytest.raises(UserError, match="has no name.*Received: dog"):
        number_labels(np.array(["dog"]), words, NAMES, "files")


def test_images_of_any_kind_become_bytes():
    assert (to_images(IMAGES.astype(np.int32), "x") == IMAGES).all()
    assert (to_images(IMAGES / 255, "x", white_of(IMAGES / 255)) == IMAGES).all()
    assert to_images(IMAGES > 100, "x").max() == 255
    flat = np.full((40, 20), 77.0)
    assert (stretch(flat) == 77).all() and stretch(flat).shape == (28, 28)


def test_floats_have_one_scale_in_both_parts(tmp_path):
    """Zeros and ones alone became black and nearly black."""
    ones = (IMAGES > 100).astype(np.float32)
    path = tmp_path / "binary.npz"
    parts = {"y_train": LABELS[:18], "y_test": LABELS[18:]}
    np.savez(path, x_train=ones[:18], x_test=ones[18:], **parts)
    data = load_dataset(str(path))
    assert set(np.unique(data.x_train)) == {0, 255} == set(np.unique(data.x_test))
    np.savez(path, x_train=IMAGES[:18] / 255, x_test=ones[18:], **parts)
    data = load_dataset(str(path))
    assert data.x_train.max() == data.x_test.max() == 255
    # Whole numbers up to 255 in one part tell of the other.
    np.savez(path, x_train=IMAGES[:18].astype(float), x_test=ones[18:], **parts)
    assert load_dataset(str(path)).x_test.max() == 1


def test_labels_of_several_classes_are_refused(tmp_path):
    rows = np.eye(3)[LABELS]
    path = tmp_path / "rows.npz"
    np.savez(path, x_train=IMAGES, y_train=rows)
    assert load_dataset(str(path)).num_classes == 3
    rows[4] = (1, 1, 0)
    np.savez(path, x_train=IMAGES, y_train=rows)
    assert "rows with a single one" in refusal(str(path))


def test_pictures_of_16_bits_have_one_scale(tmp_path):
    """By its own brightest pixel each had another."""
    images = np.zeros((6, 28, 28), np.uint16)
    for number, top in enumerate((1_000, 4_000, 1_000, 60_000, 4_000, 1_000)):
        images[number, 4:24, 4:24] = top
    folder = write_pictures(tmp_path, images, np.arange(6) % 2)
    for resize in ("stretch", "predict"):
        data = load_dataset(str(folder), resize=resize)
        found = np.concatenate([data.x_train, data.x_test]).max(axis=(1, 2))
        # By one scale; each alone would be as bright as its own scale allows.
        assert sorted(found) == [4, 4, 4, 16, 16, 233], resize
    for path in folder.glob("*/*.png"):
        if path.stem == "003":
            path.unlink()
    data = load_dataset(str(folder))
    assert max(data.x_train.max(), data.x_test.max()) == round(4_000 / 4_095 * 255)


def test_pictures_that_are_not_read_are_named(tmp_path):
    folder = write_pictures(tmp_path)
    (folder / "cow/one.heic").write_bytes(b"ftypheic")
    assert "one.heic" in refusal(str(folder))
    assert len(load_dataset(str(folder), skip_bad=True).y_train) == 21
    (folder / "cow/one.heic").unlink()
    black = np.zeros((28, 28, 4), np.uint8)
    black[8:20, 8:20, 3] = 255
    Image.fromarray(black).save(folder / "cow/drawing.png")
    assert "--resize predict" in refusal(str(folder))
    data = load_dataset(str(folder), resize="predict")
    assert len(data.y_train) + len(data.y_test) == 25


def test_arguments_of_pictures_are_for_pictures(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, x_train=IMAGES, y_train=LABELS)
    for name in (str(path), "garments", "mnist"):
        assert "no folder of pictures" in refusal(name, resize="predict")
        assert "no folder of pictures" in refusal(name, skip_bad=True)


def test_two_csv_files_are_named_by_their_folder(tmp_path):
    folder = tmp_path / "animals"
    folder.mkdir()
    for name, part in (("train", slice(0, 18)), ("test", slice(18, 24))):
        rows = np.column_stack([LABELS[part], IMAGES[part].reshape(-1, 784)])
        text = "\n".join(",".join(map(str, row)) for row in rows)
        (folder / f"{name}.csv").write_text(text + "\n")
    (folder / "classes.txt").write_text("\n".join(NAMES))
    pair = load_dataset(f"{folder}/train.csv,{folder}/test.csv")
    assert (pair.name, pair.class_names) == ("animals", NAMES)
    assert pair.checksum == load_dataset(str(folder)).checksum


def test_each_class_is_in_both_parts():
    labels = np.repeat(np.arange(4), (2, 3, 10, 101))
    chosen = split_off_test(labels, 0, "files")
    assert np.bincount(labels[chosen]).tolist() == [1, 1, 2, 20]
    assert (split_off_test(labels, 0, "files") == chosen).all()


def test_a_set_by_name_is_found_checked_and_turned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "emnist-letters"
    write_idx(
        folder,
        "emnist-letters-train-images-idx3-ubyte.gz",
        "emnist-letters-test-labels-idx1-ubyte.gz",
    )
    for part, labels in (("train", LABELS[:18]), ("test", LABELS[18:])):
        path = folder / f"emnist-letters-{part}-labels-idx1-ubyte.gz"
        path.write_bytes(gzip.compress(idx_bytes(labels + 1)))
    (folder / "emnist-digits-train-images-idx3-ubyte.gz").write_bytes(b"another set")
    data = load_dataset("emnist-letters", download=False)
    assert data.num_classes == 26 and data.class_names[0] == "A"
    assert (data.x_train == IMAGES[:18].transpose(0, 2, 1)).all()
    assert data.y_test.tolist() == LABELS[18:].tolist()


def test_an_altered_file_of_a_set_by_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_idx(
        tmp_path / "mine", "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
    )
    message = refusal("kmnist", str(tmp_path / "mine"))
    assert "not that of kmnist" in message and "MD5" in message
    assert "not in 'data/mnist'" in refusal("mnist", download=False)
    assert "not in" in refusal("mnist", str(tmp_path / "no"))


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder from which a small set is fetched by the name mnist; its checksums."""
    source = tmp_path / "server"
    write_idx(source, "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    sums = {
        path.name: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        for path in source.iterdir()
    }
    small = named.NamedSet((f"{source.as_uri()}/",), sums, NAMES)
    monkeypatch.setitem(named.NAMED, "mnist", small)
    monkeypatch.chdir(tmp_path)
    return source, sums


def test_a_set_by_name_is_downloaded_and_checked(server):
    data = load_dataset("mnist", progress=False)
    assert (data.x_train == IMAGES[:18]).all() and data.source == "data/mnist"


def test_an_interrupted_download_goes_on(server, tmp_path):
    source, sums = server
    first = min(sums)
    (tmp_path / "data/mnist").mkdir(parents=True)
    (tmp_path / "data/mnist" / first).write_bytes((source / first).read_bytes())
    # What is there is not fetched again.
    (source / first).unlink()
    assert (load_dataset("mnist", progress=False).x_train == IMAGES[:18]).all()
    # A folder that the user names is not filled.
    (tmp_path / "data/mnist" / first).unlink()
    assert "lacks" in refusal("mnist", str(tmp_path / "data/mnist"))


def test_paths_that_stand_for_nothing_are_named(tmp_path):
    folder = tmp_path / "a.npz"
    folder.mkdir()
    assert "There is no data set at" in refusal(str(folder))
    assert "There is no CSV file 'a.npz'" in refusal("a.npz,b.npz")
    for words, arguments in (
        (("~nobody-of-that-name/x",), {}),
        (("kmnist", "~nobody-of-that-name/x"), {}),
        (("fashion-mnist", "~nobody-of-that-name/x"), {}),
        (("csv", "~nobody-of-that-name/x"), {}),
    ):
        assert "There is no home folder of that user" in refusal(*words, **arguments)
