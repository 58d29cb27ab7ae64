import json

import pytest

from fmkeras.files import replacing, write_json


def test_json_comes_back_and_rows_of_numbers_are_rows(tmp_path):
    path = tmp_path / "a.json"
    content = {
        "matrix": [[1, -2], [3.5, 4e-7]],
        "names": ["[ 1,\n 2 ]", "1"],
        "empty": [],
        "mixed": [1, "a", None],
        "large": [1e22],
    }
    write_json(path, content)
    assert json.loads(path.read_text()) == content
    assert "[1, -2]" in path.read_text()
    assert "[3.5, 4e-07]" in path.read_text()


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
