"""The measurement of fmkeras.fit beside model.fit: turns, record, table."""

import json

import pytest

from fmkeras.benchmark.speed.any_model import MODELS as BUILDERS
from fmkeras.benchmark.speed.fit import MODELS, run_fit_benchmark
from fmkeras.errors import UserError
from fmkeras.report.tables.fit import fit_table


@pytest.mark.slow
def test_both_train_and_predict_in_turns_and_a_record_goes_on(tmp_path):
    out, lines = tmp_path / "record.json", []
    settings = {"rounds": 1, "seconds": 0.01, "batches": (16,), "log": lines.append}
    record = run_fit_benchmark(["convnet-example"], out=out, **settings)
    assert json.loads(out.read_text()) == record
    entry = record["models"]["convnet-example"]
    labels = ["fmkeras-fit-torch", "model-fit-torch"]
    for figures in (entry["batch"]["16"], entry["predict"]):
        assert list(figures) == labels
        assert all(found["median"] > 0 for found in figures.values())
    assert min(entry["first_step"][label] for label in labels) > 0
    assert [line.partition(" images/s")[0] for line in lines] == [
        "convnet-example, batches of 16,",
        "convnet-example, inference,",
    ]
    run_fit_benchmark(["convnet-example"], out=out, **settings)
    assert lines[2:] == ["convnet-example: measured before"]
    assert "`convnet-example`" in fit_table(record)


def test_the_table_has_ratios_and_their_mean():
    def entry(*rates):
        figures = dict(zip(("a", "b"), ({"median": r} for r in rates), strict=True))
        return {
            "batch": {"32": figures},
            "predict": figures,
            "first_step": {"a": 1.25, "b": 2.0},
        }

    settings = {"contestants": ["a", "b"], "batches": [32], "rounds": 5}
    settings |= {"seconds_a_round": 1.0, "device": "cpu", "backend": "torch"}
    record = {
        "settings": settings,
        "machine": {"cores": 2},
        "models": {"ResNet50": entry(80.0, 10.0), "MobileNetV2": entry(2000.0, 1000.0)},
    }
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in fit_table(record).splitlines()
        if line.startswith("|")
    ]
    assert rows[2][:5] == ["`ResNet50`", "32", "80", "10", "8.00"]
    assert rows[-1][:5] == ["geometric mean", "32", "", "", "4.00"]
    assert rows[3][5:] == ["1.2 s", "2.0 s", "2.00"]


def test_models_are_those_that_are_built(tmp_path):
    assert tuple(BUILDERS) == MODELS
    with pytest.raises(UserError, match="Unknown model.*Received: 'ResNet5'"):
        run_fit_benchmark(["ResNet5"], out=tmp_path / "record.json")
