"""Data files and pictures that cost far more than their bytes are refused, quickly."""

import gzip
import io
import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fmkeras.datasets.csv_file import read_csv
from fmkeras.datasets.idx import read_idx
from fmkeras.datasets.image_files import read_grey, read_picture
from fmkeras.datasets.own.classes import read_class_names
from fmkeras.datasets.own.idx_files import read_any_idx
from fmkeras.datasets.own.npz_file import read_npz_file
from fmkeras.errors import UserError

pytestmark = pytest.mark.timeout(60)
ROOT = Path(__file__).parents[2]


def refusal(read, *arguments):
    with pytest.raises(UserError) as caught:
        read(*arguments)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000
    return message


READERS = {
    "a.csv": read_csv,
    "a.png": read_picture,
    "a.npz": read_npz_file,
    "images-idx3-ubyte": read_any_idx,
    "labels-idx1-ubyte": lambda path: read_idx(path, (10,)),
}


@pytest.mark.parametrize("name", READERS)
def test_what_has_no_end_is_not_read(name, tmp_path):
    path = tmp_path / name
    path.symlink_to("/dev/zero")
    assert "regular file" in refusal(READERS[name], path)
    path.unlink()
    os.mkfifo(path)
    assert "regular file" in refusal(READERS[name], path)


@pytest.mark.parametrize("name", READERS)
def test_a_sparse_file_of_a_terabyte_is_refused_at_once(name, tmp_path):
    path = tmp_path / name
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    refusal(READERS[name], path)


def test_a_line_without_end_is_refused_packed_or_not(tmp_path):
    row = b"1" + b",0" * 784 + b"\n"
    for number, start in enumerate((b"", row)):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(start + b"0" * (1 << 20))
        assert "a line of more than" in refusal(read_csv, path)
        path.write_bytes(gzip.compress(start + bytes(1 << 26)))
        assert "a line of more than" in refusal(read_csv, path)
        path.write_bytes(start + b"," * (1 << 17) + b"\n" + row)
        refusal(read_csv, path)
    path.write_bytes("\ufeff".encode("utf-16-le") + b"0\0" * (1 << 20))
    assert "a line of more than" in refusal(read_csv, path)


def test_lines_without_images_are_bounded(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_bytes(gzip.compress(b"1" + b",0" * 784 + b"\n" * 10_000_000))
    assert "lines" in refusal(read_csv, path)


def test_a_csv_file_in_pieces_gives_the_same_images(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 10, (40, 785))
    text = "\r\n".join(",".join(map(str, row)) for row in rows)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "a.csv").write_bytes(text.encode(encoding))
        for block in (1, 7, 1000, 1 << 22):
            monkeypatch.setattr("fmkeras.datasets.csv_file._BLOCK", max(block, 2))
            images, labels = read_csv(tmp_path / "a.csv")
            assert (labels == rows[:, 0]).all()
            assert (images.reshape(-1, 784) == rows[:, 1:]).all()


def test_an_idx_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(bytes(1 << 22)))
    monkeypatch.setattr("fmkeras.datasets.own.idx_files.LARGEST_BYTES", 1 << 20)
    monkeypatch.setattr("fmkeras.datasets.idx.LARGEST_BYTES", 1 << 20)
    assert "more than" in refusal(read_any_idx, path)
    assert "more than" in refusal(read_idx, path, (10, 28, 28))


def test_a_list_of_a_million_classes_is_refused(tmp_path):
    (tmp_path / "classes.txt").write_text("\n".join(map(str, range(100_000))))
    assert "2 to 256 classes" in refusal(read_class_names, tmp_path)


def png(width, height, mode="L"):
    """A PNG of one colour, of a few kilobytes whatever its size."""
    depth, kind, size = {"L": (8, 0, 1), "RGBA": (8, 6, 4), "16": (16, 0, 2)}[mode]

    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", checksum)
        )

    packer, row = zlib.compressobj(9), b"\0" + b"\x50" * (size * width)
    rows = b"".join([packer.compress(row) for _ in range(height)]) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


READ_LARGE = """
import re, sys
from pathlib import Path
from fmkeras.datasets.image_files import read_grey
image, _ = read_grey(sys.argv[1])
# Not ru_maxrss, which begins with what the process that started this one has.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(image.size, int(peak) // 1024)
"""


@pytest.mark.parametrize(
    "kind",
    [
        "L",
        "JPEG",
        pytest.param("RGBA", marks=pytest.mark.slow),
        pytest.param("16", marks=pytest.mark.slow),
    ],
)
def test_a_hundred_megapixels_take_little_memory(kind, tmp_path):
    path = tmp_path / "large.png"
    if kind == "JPEG":
        Image.new("L", (10_000, 10_000), 80).save(path, "JPEG")
    else:
        path.write_bytes(png(10_000, 10_000, kind))
    done = subprocess.run(
        [sys.executable, "-c", READ_LARGE, str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    pixels, megabytes = map(int, done.stdout.split())
    assert 1_000_000 <= pixels <= 4_000_000
    assert megabytes < 1_500


def test_a_picture_beyond_the_limit_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(png(100_001, 1_000)[:5_000])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "at most 100,000,000 pixels" in refusal(read_picture, path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize("size", [(6_000, 5_000), (30_000_000, 1), (1, 5_000_000)])
def test_a_large_picture_keeps_its_look(size, tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png(*size))
    image, _ = read_grey(path)
    assert image.size <= 4_100_000
    assert np.abs(image - 0x50).max() < 1


def test_a_large_picture_is_turned_as_its_exif_says(tmp_path):
    pixels = np.zeros((2_400, 3_000), np.uint8)
    pixels[:, :500] = 200
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix in (".jpg", ".png", ".tiff"):
        path = tmp_path / f"turned{suffix}"
        Image.fromarray(pixels).save(path, exif=exif)
        image, _ = read_grey(path)
        assert image.shape[0] > image.shape[1], suffix
        assert image[:20].mean() > 150 and image[-20:].mean() < 20, suffix


def test_postscript_is_not_run_whatever_its_name(tmp_path):
    path = tmp_path / "loop.png"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n{ } loop\n%%EOF\n"
    )
    assert "cannot be read as a picture" in refusal(read_picture, path)


DEPTHS = {
    "8 in 16": (np.uint16, 255, 1),
    "12 in 16": (np.uint16, 4_095, 1),
    "16": (np.uint16, 65_535, 1),
    "0 to 1": (np.float32, 1, 1),
    "0 to 255": (np.float32, 255, 1),
    "whole numbers": (np.int32, 65_535, 1),
}


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_depth_is_scaled_to_the_same_picture(depth, tmp_path):
    kind, top, _ = DEPTHS[depth]
    share = np.tile(np.linspace(0, 1, 256), (40, 1))
    path = tmp_path / "deep.tiff"
    Image.fromarray((share * top).astype(kind)).save(path)
    image, _ = read_grey(path)
    assert np.abs(image - share * 255).max() <= 1.01


@pytest.mark.parametrize(
    "values", [[-1.0, 1.0], [np.nan, 1.0], [0.0, 1e9], [np.inf, 0.0]]
)
def test_numbers_that_are_no_brightness_are_refused_with_their_range(values, tmp_path):
    path = tmp_path / "odd.tiff"
    Image.fromarray(np.array([values] * 40, np.float32)).save(path)
    assert "its numbers are" in refusal(read_picture, path)


def test_cut_pictures_of_every_format_are_refused(tmp_path):
    picture = Image.fromarray(np.arange(1600, dtype=np.uint8).reshape(40, 40))
    for form in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"):
        stream = io.BytesIO()
        picture.save(stream, form)
        for part in (0, 1, 20, len(stream.getvalue()) // 2):
            path = tmp_path / f"cut.{form.lower()}"
            path.write_bytes(stream.getvalue()[:part])
            refusal(read_picture, path)
