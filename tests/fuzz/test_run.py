"""The record of `make fuzz`: written after each parser, which is then done."""

import json

import pytest

from fmkeras.report.tables.fuzz import fuzz_table
from fuzz import run


@pytest.fixture
def fed(monkeypatch):
    """The names of parsers that were fed, each without a defect."""
    names = []

    def fuzz(name, inputs, seed, kept):
        names.append(name)
        counts = {"inputs": inputs, "accepted": 1, "refused": inputs - 1}
        found = {"what": name, "seed": seed, "commit": run.commit(), "defects": []}
        return found | counts | {"slowest_seconds": 0.1, "peak_megabytes": 3}

    monkeypatch.setattr(run, "fuzz", fuzz)
    monkeypatch.setattr(run, "commit", lambda: "0123456789")
    return names


def test_a_parser_in_the_record_is_fed_again_at_another_commit_alone(
    fed, tmp_path, monkeypatch
):
    path = tmp_path / "fuzz.json"
    words = ["--json", str(path), "--kept", str(tmp_path / "kept"), "--inputs", "9"]
    assert run.main([*words, "--parsers", "csv"]) == 0
    assert run.main([*words, "--parsers", "card", "csv"]) == 0
    assert fed == ["csv", "card"]
    run.main([*words, "--parsers", "csv", "--inputs", "10"])
    run.main([*words, "--parsers", "csv", "--seed", "1"])
    assert fed[2:] == ["csv", "csv"]
    monkeypatch.setattr(run, "commit", lambda: "9876543210-dirty")
    for _ in range(2):
        run.main([*words, "--parsers", "card"])
    assert fed[4:] == ["card", "card"]
    record = json.loads(path.read_text())
    assert list(record["parsers"]) == ["card", "csv"]
    table = fuzz_table(record)
    assert "| csv | 9 | 1 | 8 | 0 | 0.10 s | 3 MB |" in table
    assert "Commit 0123456, 9876543, " in table
