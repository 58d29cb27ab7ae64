"""One process beside two: the measurement, its table, and what is computed."""

import json
import os

import pytest

from fmkeras.benchmark.speed.devices import run_device_scaling
from fmkeras.models import model_info
from fmkeras.report.tables.devices import (
    LINKS,
    computed_table,
    devices_table,
    sum_seconds,
)


def cells(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_one_process_and_two_take_turns_and_a_record_goes_on(tmp_path):
    out, lines = tmp_path / "record.json", []
    settings = {"backends": ["torch"], "rounds": 1, "seconds": 0.01, "batch": 8}
    record = run_device_scaling(["mlp"], out=out, log=lines.append, **settings)
    assert json.loads(out.read_text()) == record
    figures = record["models"]["mlp"]["torch"]
    assert all(figures[label]["median"] > 0 for label in ("one", "strong", "weak"))
    # Four bytes for each weight of mlp.
    assert figures["bytes"] == 4 * model_info("mlp").parameters
    run_device_scaling(["mlp"], out=out, log=lines.append, **settings)
    assert "mlp, torch: measured before" in lines


def test_the_table_has_ratios_and_the_share_of_the_sum():
    def spread(value):
        return {"median": value, "low": value, "high": value}

    figures = {
        "one": spread(1000.0),
        "strong": spread(1600.0),
        "weak": spread(1900.0),
        "sum_seconds": spread(0.008),
        "bytes": 2_000_000,
    }
    record = {"settings": {"batch_size": 128}, "models": {"cnn": {"jax": figures}}}
    # A step of 128 images at 1,600 a second takes 80 ms.
    wanted = ["`cnn`", "jax", "1,000", "1,600 (1.60)", "1,900 (1.90)"]
    assert cells(devices_table(record))[-1] == [*wanted, "2.00 MB", "8.00 ms", "10%"]


def test_a_ring_sends_each_byte_twice_but_for_its_own_share():
    nvlink = LINKS[0]
    assert sum_seconds(450_000_000, nvlink) == pytest.approx(2 * 7 / 8 * 1e-3)
    rows = {row[0]: row for row in cells(computed_table())}
    # 128.8 million weights of four bytes; three passes of 128 images.
    assert rows["`vgg11`"][1:3] == ["515.22 MB", "182.29 ms"]
    heads = rows["network"]
    assert heads[2] == "step of 128 images, at most"
    assert all(head.endswith(", at least") for head in heads[3:])
    took = 2 * 63 / 64 * 515_224_616 / 1.25e9
    share = took / (took + 3 * 128 / 2106.5)
    assert rows["`vgg11`"][-1] == f"{share:.0%}"
