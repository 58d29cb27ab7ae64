"""Names of files and classes end no command, and reach no terminal as they are."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fmkeras.cli.printable import printable_output, shown
from fmkeras.files import plain_name, printable
from fmkeras.report.site.entries import page_name

ROOT = Path(__file__).parents[2]
NASTY = "a\x1b]0;owned\x07\x1b[2Jb"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("plain é 漢\n\tmore\n", "plain é 漢\n\tmore\n"),
        ("\r  5%|#  ", "\r  5%|#  "),
        ("\r      \r", "\r      \r"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("a\rb", "a\\rb"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\x1b[8mhidden", "\\x1b[8mhidden"),
        ("\x9b2J\u202egnp", "\\x9b2J\\u202egnp"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_moves_the_cursor_is_shown_instead(text, expected):
    assert shown(text) == expected


def test_names_begin_no_line_of_their_own():
    assert printable("a\nfmkeras: all is well\r") == "a\\nfmkeras: all is well\\r"
    assert printable("é漢\udcff\x00") == "é漢\\udcff\\x00"


def test_streams_are_given_back(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    with printable_output():
        print("é", NASTY)
    assert sys.stdout is out
    out.flush()
    assert out.buffer.getvalue() == b"? a\\x1b]0;owned\\x07\\x1b[2Jb\n"


def test_no_two_models_share_a_page():
    names = [
        "a b",
        "a-b",
        "a_b",
        "a~b",
        "a~20~b",
        "A b",
        "é",
        "e",
        "\udcff",
        "<a>",
        "a/b",
    ]
    assert len({page_name(name) for name in names}) == len(names)
    for name in names:
        assert plain_name(name).isascii() and "/" not in plain_name(name)


def run(words, folder, encoding="utf-8"):
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": encoding,
        "KERAS_BACKEND": "torch",
    }
    return subprocess.run(
        [sys.executable, "-m", "fmkeras", *words],
        capture_output=True,
        cwd=folder,
        env=environment,
        timeout=300,
    )


@pytest.mark.slow
def test_a_training_on_classes_of_any_name(tmp_path):
    """In a folder of no encoding, in a terminal of ASCII: all the way to pages."""
    generator = np.random.default_rng(0)
    data = os.fsencode(tmp_path) + b"/da\xffta"
    for name in (NASTY.encode(), b"\xff\xfe", "漢字".encode()):
        os.makedirs(data + b"/" + name)
        for number in range(6):
            image = generator.integers(0, 256, (30, 30), np.uint8)
            path = data + b"/" + name + b"/%d\xff\x1b[2J.png" % number
            Image.fromarray(image).save(os.fsdecode(path))
    out = b"mo\xffdels"
    words = [b"train", b"--model", b"linear", b"--data", data, b"--epochs", b"1"]
    words += [b"--data-split", b"full", b"--compile", b"no"]
    done = run([*words, b"--out", out], tmp_path, "ascii")
    assert done.returncode == 0, done.stderr
    model = next(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + out)).glob("*.keras"))
    done_evaluate = run(
        ["evaluate", "--model", model, "--data", data], tmp_path, "ascii"
    )
    assert done_evaluate.returncode == 0, done_evaluate.stderr
    words = ["report", "--models", model, "--data", data, "--out", "re\udcffport"]
    done_report = run(words, tmp_path, "ascii")
    assert done_report.returncode == 0, done_report.stderr
    pictures = data + b"/" + NASTY.encode()
    words = ["predict", pictures, "--model", model, "--out", "se\udcffen"]
    done_predict = run(words, tmp_path, "utf-8")
    assert done_predict.returncode == 0, done_predict.stderr
    for one in (done, done_evaluate, done_report, done_predict):
        for stream in (one.stdout, one.stderr):
            assert b"\x1b" not in stream and b"\x07" not in stream, stream
