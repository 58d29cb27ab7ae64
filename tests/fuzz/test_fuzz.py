"""Each parser is fed a few changed files; `make fuzz` takes thousands."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from fmkeras.errors import UserError
from fuzz.parsers import PARSERS

# Models take far longer than lines of text.
COUNTS = {"keras": 2, "checkpoint": 5, "tuner": 5}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PARSERS)
def test_changed_files_are_read_or_refused_in_a_line(name, tmp_path, capsys):
    parser = PARSERS[name]
    whole, make = parser.inputs()
    path = tmp_path / parser.file
    for content in whole[:3]:
        path.write_bytes(content)
        parser.read(path)

    @seed(0)
    @settings(
        max_examples=COUNTS.get(name, 20),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**64 - 1))
    def feed(drawn):
        path.write_bytes(make(Random(drawn)))
        try:
            parser.read(path)
        except UserError as error:
            assert "\n" not in str(error)

    feed()
