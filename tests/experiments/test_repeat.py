"""Repeating a training over backends and seeds."""

import pytest

from fmkeras.errors import UserError
from fmkeras.experiments.repeat import repeat


@pytest.mark.parametrize("flag", ["--runs", "--out=elsewhere", "--seed"])
def test_a_flag_that_each_run_has_of_its_own_is_refused(flag, tmp_path):
    with pytest.raises(UserError, match=f"flag of its own.*{flag}"):
        repeat("a", "linear", ["torch"], [0], [flag, "x"], tmp_path, tmp_path)
    assert not list(tmp_path.iterdir())
