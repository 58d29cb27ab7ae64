"""Each test runs on a backend that it is for, whichever is named first."""

from pathlib import Path

import pytest
from run import marks_of

COMMON = "not browser and not export and not slow"


@pytest.mark.parametrize(
    ("backend", "first", "own"),
    [
        ("torch", True, ""),
        ("torch", False, " and (every_backend or torch_engine)"),
        ("jax", True, " and not torch_engine"),
        ("jax", False, " and every_backend"),
    ],
)
def test_a_backend_runs_what_is_for_it(backend, first, own):
    assert marks_of(backend, first, slow=False) == COMMON + own


def test_the_tests_of_torch_s_engine_are_marked():
    for path in Path(__file__).parent.glob("engines/torch/test_*.py"):
        assert "pytestmark = pytest.mark.torch_engine" in path.read_text(), path
