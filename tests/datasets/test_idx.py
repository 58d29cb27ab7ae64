import gzip

import numpy as np
import pytest
from support.data_files import idx_bytes

from fmkeras.datasets.idx import kind_of, read_idx
from fmkeras.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28))
LABELS = np.array([4, 0, 9])


def write(folder, content, name="train-images-idx3-ubyte"):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("array", [IMAGES, LABELS], ids=["images", "labels"])
@pytest.mark.parametrize("packed", [True, False])
def test_reads_what_was_written(tmp_path, array, packed):
    content = idx_bytes(array)
    path = write(tmp_path, content)
    if packed:
        path = write(tmp_path, gzip.compress(content), "file.gz")
    read = read_idx(path, array.shape)
    assert read.dtype == np.uint8 and read.flags.writeable
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "does not hold images"),
        (b"<html>", "does not hold images"),
        (idx_bytes(LABELS), "does not hold images.*Received: labels"),
        (idx_bytes(IMAGES)[:10], "is truncated"),
        (idx_bytes(IMAGES)[:-1], "is truncated.*2352 bytes.*Received: 2351"),
        (idx_bytes(IMAGES) + b"1", "is too long.*Received: 2353"),
        (idx_bytes(IMAGES[:2]), r"has other sizes.*Received: \(2, 28, 28\)"),
        (idx_bytes(IMAGES[:, :14]), r"has other sizes.*Received: \(3, 14, 28\)"),
    ],
)
def test_says_what_is_wrong(tmp_path, content, words):
    path = write(tmp_path, content)
    with pytest.raises(UserError, match=words) as caught:
        read_idx(path, IMAGES.shape)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "flipped", "absent"])
def test_says_what_cannot_be_unpacked(tmp_path, damage):
    packed = gzip.compress(idx_bytes(IMAGES))
    content = {
        "cut": packed[:-20],
        "flipped": packed[:200] + bytes([packed[200] ^ 255]) + packed[201:],
        "absent": b"",
    }[damage]
    path = write(tmp_path, content, "images.gz")
    if damage == "absent":
        path.unlink()
    with pytest.raises(UserError, match="images.gz' cannot be read"):
        read_idx(path, IMAGES.shape)


def test_kind_of():
    for array, kind in ((IMAGES, "images"), (LABELS, "labels")):
        assert kind_of(idx_bytes(array)) == kind
        assert kind_of(gzip.compress(idx_bytes(array))) == kind
        # The first bytes of a file cut short are enough.
        assert kind_of(gzip.compress(idx_bytes(array))[:40]) == kind
    for content in (b"", b"\x1f\x8b", b"\x1f\x8bnonsense", b"GIF89a", b"\0\0\x08\x02"):
        assert kind_of(content) is None
