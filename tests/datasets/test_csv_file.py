import gzip

import numpy as np
import pytest

from fmkeras.datasets import csv_file, load_dataset
from fmkeras.datasets.csv_file import read_csv
from fmkeras.errors import UserError

HEADER = ",".join(["label", *(f"pixel{i}" for i in range(1, 785))])


def small(count, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return images, generator.integers(0, 10, count)


def lines_of(images, labels):
    return [
        ",".join(map(str, [label, *image.ravel().tolist()]))
        for image, label in zip(images, labels, strict=True)
    ]


def write(path, lines, end="\n"):
    path.write_bytes((end.join(lines) + end).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("header", [True, False], ids=["names", "no names"])
def test_reads_what_was_written(tmp_path, header, end):
    images, labels = small(30)
    lines = [HEADER] * header + lines_of(images, labels)
    read_images, read_labels = read_csv(write(tmp_path / "a.csv", lines, end))
    assert read_images.dtype == np.uint8 and read_labels.dtype == np.int64
    np.testing.assert_array_equal(read_images, images)
    np.testing.assert_array_equal(read_labels, labels)


def unusual(lines):
    yield "\ufeff" + "\n".join([HEADER, *lines])
    yield "\n\n".join(lines) + "\n\n"
    yield "\n".join(line.replace(",", ", ") for line in lines)
    yield "\n".join([HEADER.replace("pixel", "column "), *lines])
    yield "\n".join(['"' + HEADER.replace(",", '","') + '"', *lines])
    yield "\n".join(",".join(f'"{v}"' for v in line.split(",")) for line in lines)
    yield "\n".join(["label," + ",".join(map(str, range(784))), *lines])
    yield "\n".join("00" + line for line in lines)
    yield "\n".join("000" + line for line in lines)


@pytest.mark.parametrize("form", range(9))
def test_reads_unusual_forms(tmp_path, form):
    images, labels = small(4)
    path = tmp_path / "a.csv"
    path.write_text(list(unusual(lines_of(images, labels)))[form], encoding="utf-8")
    read_images, read_labels = read_csv(path)
    np.testing.assert_array_equal(read_images, images)
    np.testing.assert_array_equal(read_labels, labels)


def test_reads_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("fmkeras.datasets.csv_file._BLOCK", 5_000)
    images, labels = small(30)
    lines = lines_of(images, labels)
    path = write(tmp_path / "a.csv", [HEADER, *lines])
    np.testing.assert_array_equal(read_csv(path)[0], images)
    lines[23] = lines[23].replace(",", ",x", 1)
    with pytest.raises(UserError, match="Line 25 of"):
        read_csv(write(path, [HEADER, *lines]))


def change(line, column, value):
    values = line.split(",")
    values[column] = value
    return ",".join(values)


FAULTS = {
    "short": (lambda line: line.rsplit(",", 1)[0], "has 784 columns; expected 785"),
    "long": (lambda line: line + ",0", "has 786 columns; expected 785"),
    "comma": (lambda line: line + ",", "has 786 columns"),
    "letter": (lambda line: change(line, 9, "a"), "pixel in column 10.*Received: 'a'"),
    "empty": (lambda line: change(line, 9, ""), "pixel in column 10.*Received: ''"),
    "over 255": (lambda line: change(line, 784, "256"), "column 785.*Received: '256'"),
    "four digits": (lambda line: change(line, 5, "1000"), "Received: '1000'"),
    "negative": (lambda line: change(line, 1, "-1"), "column 2;.*Received: '-1'"),
    "fraction": (lambda line: change(line, 1, "1.5"), "whole number.*Received: '1.5'"),
    "signs": (lambda line: change(line, 1, "+-1"), "Received: '\\+-1'"),
    "label over 9": (lambda line: change(line, 0, "10"), "label in column 1;.*0 to 9"),
    "label -1": (lambda line: change(line, 0, "-1"), "wrong label.*Received: '-1'"),
    "label a": (lambda line: change(line, 0, "a"), "wrong label.*Received: 'a'"),
    "binary": (lambda line: "\x00\x01\x02", "has 1 column;|do not tell"),
}


@pytest.mark.parametrize("header", [0, 1], ids=["no names", "names"])
@pytest.mark.parametrize("row", [0, 6, 11])
@pytest.mark.parametrize("fault", FAULTS)
def test_says_which_line_is_wrong(tmp_path, fault, row, header):
    make, words = FAULTS[fault]
    lines = [HEADER] * header + lines_of(*small(12))
    lines[row + header] = make(lines[row + header])
    path = write(tmp_path / "a.csv", lines)
    with pytest.raises(UserError, match=words) as caught:
        read_csv(path)
    message = str(caught.value)
    assert message.startswith(f"Line {row + header + 1} of '{path}'")
    assert "\n" not in message and len(message) < 300 + len(str(path))


def test_two_rows_that_only_together_have_the_right_columns(tmp_path):
    lines = lines_of(*small(4))
    cut = lines[1].rsplit(",", 1)
    lines[1], lines[2] = cut[0], f"{cut[1]},{lines[2]}"
    with pytest.raises(UserError, match="Line 2 of .* has 784 columns"):
        read_csv(write(tmp_path / "a.csv", lines))


@pytest.mark.parametrize("content", ["", "\n\n", HEADER, HEADER + "\n"])
def test_no_images(tmp_path, content):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(UserError, match="a.csv' holds no images"):
        read_csv(tmp_path / "a.csv")


def test_file_that_is_none(tmp_path):
    for path in (tmp_path, tmp_path / "absent.csv"):
        with pytest.raises(UserError, match="cannot be read"):
            read_csv(path)


@pytest.fixture
def pair(tmp_path, monkeypatch):
    monkeypatch.delenv("FMKERAS_DATA", raising=False)
    train = write(tmp_path / "my-Train.csv", [HEADER, *lines_of(*small(20, 1))])
    test = write(tmp_path / "my-Test.csv", lines_of(*small(10, 2)))
    return train, test


def check(dataset):
    assert dataset.name == "csv"
    np.testing.assert_array_equal(dataset.x_train, small(20, 1)[0])
    np.testing.assert_array_equal(dataset.y_train, small(20, 1)[1])
    np.testing.assert_array_equal(dataset.x_test, small(10, 2)[0])
    np.testing.assert_array_equal(dataset.y_test, small(10, 2)[1])


def test_folder_or_both_files(pair, tmp_path, monkeypatch):
    by_folder = load_dataset("csv", tmp_path)
    by_names = load_dataset("csv", f"{pair[0]},{pair[1]}")
    check(by_folder)
    check(by_names)
    assert by_folder.checksum == by_names.checksum
    assert by_folder.source == f"{pair[0]}, {pair[1]}"
    monkeypatch.setenv("FMKERAS_DATA", str(tmp_path))
    check(load_dataset("csv"))


def test_usual_names_come_first(pair, tmp_path):
    for path, part in zip(pair, ("train", "test"), strict=True):
        (tmp_path / f"fashion-mnist_{part}.csv").write_bytes(path.read_bytes())
    pair[0].write_text("not read")
    check(load_dataset("csv", tmp_path))


def test_folder_in_which_the_files_cannot_be_told(pair, tmp_path):
    write(tmp_path / "train2.csv", lines_of(*small(3)))
    with pytest.raises(UserError, match="'train'.*Received: my-Train.csv, train2.csv"):
        load_dataset("csv", tmp_path)
    pair[1].unlink()
    (tmp_path / "train2.csv").unlink()
    with pytest.raises(UserError, match="'test' in its name.*Received: none"):
        load_dataset("csv", tmp_path)


def test_which_csv_file_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "c1.csv", lines_of(*small(3)))
    for data in (("c1.csv,nix.csv",), ("csv", "c1.csv, nix.csv")):
        with pytest.raises(UserError, match="There is no CSV file 'nix.csv'; expected"):
            load_dataset(*data)
    with pytest.raises(UserError, match="no CSV file 'a.csv' and no 'b.csv'"):
        load_dataset("a.csv,b.csv")
    with pytest.raises(UserError, match="needs two files.*a single file by --data"):
        load_dataset("csv", "c1.csv")


@pytest.mark.parametrize("data_dir", ["absent", "a.csv,b.csv", "a,b,c"])
def test_no_files_of_these_names(pair, data_dir):
    with pytest.raises(UserError, match=f"Received: '{data_dir}'"):
        load_dataset("csv", data_dir)


def test_no_folder_given(pair):
    with pytest.raises(UserError, match="--data-dir"):
        load_dataset("csv")


def test_plain_rows_are_not_read_line_by_line(tmp_path, monkeypatch):
    # 60,000 rows take some seconds at once, but most of a minute one by one.
    slow = []
    parse_lines = csv_file._parse_lines
    monkeypatch.setattr(
        csv_file, "_parse_lines", lambda *some: slow.append(some) or parse_lines(*some)
    )
    images, labels = small(40)
    path = write(tmp_path / "a.csv", [HEADER, *lines_of(images, labels)])
    np.testing.assert_array_equal(read_csv(path)[0], images)
    assert not slow


PIXEL_NAMES = [f"pixel{i}" for i in range(1, 785)]
LAYOUTS = {
    "label last": [*PIXEL_NAMES, "label"],
    "columns sorted as text": sorted(["label", *PIXEL_NAMES]),
    "a column of row numbers": ["", "label", *PIXEL_NAMES],
    "row and column": ["label"]
    + [f"{i}x{j}" for i in range(1, 29) for j in range(1, 29)],
    "from zero": ["Class", *(f"p_{i}" for i in range(784))],
}


@pytest.mark.parametrize("names", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(
    "separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"]
)
def test_names_say_which_column_is_which(tmp_path, names, separator):
    images, labels = small(12)
    flat = images.reshape(12, 784)
    lines = [separator.join(names)]
    for number in range(12):
        cells = []
        for name in names:
            if name == "":
                cells.append(70_000 + number)
            elif name.lower() in ("label", "class"):
                cells.append(labels[number])
            else:
                cells.append(flat[number, pixel_of(name)])
        lines.append(separator.join(map(str, cells)))
    found, found_labels = read_csv(write(tmp_path / "a.csv", lines))
    np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(found_labels, labels)


def pixel_of(name):
    if "x" in name[1:-1] and name[0].isdigit():
        row, column = map(int, name.split("x"))
        return (row - 1) * 28 + column - 1
    return int(name[2:]) if name.startswith("p_") else int(name[5:]) - 1


@pytest.mark.parametrize("form", ["utf-16", "utf-8-sig", "gz"])
def test_other_forms_of_the_same_text(tmp_path, form):
    images, labels = small(9)
    text = "\n".join([HEADER, *lines_of(images, labels)]) + "\n"
    content = gzip.compress(text.encode()) if form == "gz" else text.encode(form)
    path = tmp_path / ("a.csv.gz" if form == "gz" else "a.csv")
    path.write_bytes(content)
    np.testing.assert_array_equal(read_csv(path)[0], images)
    if form == "gz":
        path.write_bytes(content[:-900])
        with pytest.raises(UserError, match="cannot be read"):
            read_csv(path)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([*PIXEL_NAMES[:-1], "pixel9", "label"], "twice 'pixel9'"),
        (PIXEL_NAMES, "one column named label"),
        (["label", "class", *PIXEL_NAMES], "Received: 2 of them"),
        (["label", *PIXEL_NAMES[:-1]], "783, 1 to 783"),
        (["label", "colour", *PIXEL_NAMES], "'colour'"),
    ],
)
def test_names_that_do_not_tell(tmp_path, names, words):
    with pytest.raises(UserError, match=words):
        read_csv(write(tmp_path / "a.csv", [",".join(names)]))
