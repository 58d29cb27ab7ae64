"""The table of `make test-faults`."""

import json

from fmkeras.records import FAULTS
from fmkeras.report.tables.interruptions import interruptions_table


def test_it_counts_kills_and_failures(tmp_path):
    assert "make test-faults ARGS=--record" in interruptions_table(tmp_path)
    part = {
        "kills": {"SIGKILL": 3, "SIGHUP": 1},
        "counts": {"kills at the save": 4, "runs": 2, "place: full": 1},
        "failures": ["one"],
    }
    record = {
        "parts": {"training torch": part},
        "minutes": 12.4,
        "cores": 2,
        "seed": 0,
        "commit": "0123456789",
    }
    (tmp_path / FAULTS).parent.mkdir(parents=True)
    (tmp_path / FAULTS).write_text(json.dumps(record))
    lines = interruptions_table(tmp_path).splitlines()
    assert lines[2] == (
        "| training torch | 3 |  |  | 1 | kills at the save: 4, place: full, runs: 2 "
        "| 1 |"
    )
    assert lines[-1].startswith("4 kills in 12 minutes on 2 cores, seed 0, commit 0123")
