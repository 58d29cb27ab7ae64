"""Files are read with bounds, and JSON is of its form before anything reads a field."""

import gzip
import io
import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from fmkeras.files.npz import read_npz
from fmkeras.files.reading import (
    open_regular,
    parse_json,
    read_bytes,
    read_json,
    read_unpacked,
)
from fmkeras.files.schema import NUMBER, Map, check


def reason(call, *arguments):
    with pytest.raises(ValueError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.timeout(10)
def test_what_has_no_end_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("fifo", "zero"):
        assert "no regular file" in reason(read_bytes, tmp_path / name, 100)
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path, 100)


def test_an_empty_file_takes_no_memory(tmp_path):
    (tmp_path / "empty").touch()
    tracemalloc.start()
    try:
        assert read_bytes(tmp_path / "empty", 1 << 31) == b""
        assert read_bytes("/proc/self/status", 1 << 31)
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
    finally:
        tracemalloc.stop()


def test_a_file_beyond_its_limit_is_not_read(tmp_path):
    sparse = tmp_path / "sparse"
    with open(sparse, "wb") as file:
        file.truncate(1 << 40)
    assert "at most 64" in reason(open_regular, sparse, 64)
    assert "1,099,511,627,776 bytes" in reason(read_json, sparse)


def test_what_unpacks_beyond_its_limit_is_not_unpacked(tmp_path):
    packed = tmp_path / "bomb.gz"
    packed.write_bytes(gzip.compress(bytes(1 << 24)))
    assert "more than 1,048,576" in reason(read_unpacked, packed, 1 << 20)
    assert len(read_unpacked(packed, 1 << 24)) == 1 << 24


@pytest.mark.parametrize(
    "text, words",
    [
        ("[" * 200_000, "too deeply"),
        ("[" * 500 + "]" * 500, "too deeply"),
        ('{"a":' * 500 + "1" + "}" * 500, "too deeply"),
        ("9" * 5000, "digits"),
        ("\xff\xfe", ""),
        ("", "Expecting value"),
    ],
)
def test_json_is_bounded(text, words):
    assert words in reason(parse_json, text.encode("latin1"))


FORM = {"name": str, "count?": int, "shares?": [NUMBER], "of?": Map((str, type(None)))}


@pytest.mark.parametrize(
    "content, words",
    [
        ([], "it is a list; expected an object"),
        ({}, "name is missing"),
        ({"name": 1}, "name is 1; expected text"),
        ({"name": "a", "count": True}, "count is True; expected a whole number"),
        ({"name": "a", "count": 10**30}, "expected a whole number"),
        ({"name": "a", "count": None}, "count is None"),
        ({"name": "a", "shares": [1, "2"]}, "shares[1] is '2'; expected a finite"),
        ({"name": "a", "shares": [float("nan")]}, "shares[0] is nan"),
        ({"name": "a", "shares": [10**400]}, "shares[0] is"),
        ({"name": "a", "of": {"b": 1}}, "of.b is 1; expected text or null"),
    ],
)
def test_a_form_names_the_field_that_is_wrong(content, words):
    assert words in reason(check, content, FORM)


def test_what_is_of_its_form_passes():
    check({"name": "a", "shares": [1, 2.5], "of": {"b": None}, "more": [1]}, FORM)


def npz(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def npz_of(header, content=b""):
    """An archive of one array with a header of one's own."""
    text = header.encode().ljust(118) + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.npy", array)
    return io.BytesIO(stream.getvalue())


@pytest.mark.parametrize("kind", [np.uint8, np.float32, "U5", bool])
def test_arrays_are_what_numpy_reads(kind):
    array = np.arange(12).reshape(3, 4).astype(kind)
    found = read_npz(io.BytesIO(npz(a=array, b=np.asfortranarray(array), c=array[0])))
    assert (found["a"] == array).all() and (found["b"] == array).all()
    assert found["c"].shape == (4,) and found["a"].dtype == array.dtype


@pytest.mark.parametrize(
    "header, words",
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,)}", "no header"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,)}", "holds"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}", "declares"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "is of object"),
        ("{'descr': '<U0', 'fortran_order': False, 'shape': (99999999999,)}", "is of"),
        ("[" * 100, "no header"),
        ("nothing", "no header"),
    ],
)
def test_an_array_that_declares_more_than_it_holds_is_refused(header, words):
    assert words in reason(read_npz, npz_of(header))


@pytest.mark.parametrize("order", "<>")
def test_text_of_no_characters_is_refused(order):
    content = np.array([0x110000], f"{order}u4").tobytes()
    header = f"{{'descr': '{order}U1', 'fortran_order': False, 'shape': (1,)}}"
    assert "no text" in reason(read_npz, npz_of(header, content))
    whole = np.array([0x10FFFF], f"{order}u4").tobytes()
    assert read_npz(npz_of(header, whole))["x"][0] == chr(0x10FFFF)


def test_archives_are_bounded():
    bomb = io.BytesIO(npz(x=np.zeros(1 << 22, np.uint8)))
    assert "at most" in reason(read_npz, bomb, lambda name: True, 1 << 20)
    assert reason(read_npz, io.BytesIO(b"PK\x05\x06"))
    assert json.dumps(read_npz(io.BytesIO(npz()))) == "{}"
