"""The measurement of speed: turns, medians, records and tables; not the speed."""

import json
import math

import pytest

from fmkeras.benchmark import throughput
from fmkeras.benchmark.rounds import Contestant, ContestantFailed, Racer, run_rounds
from fmkeras.benchmark.throughput import default_contestants, run_benchmark
from fmkeras.errors import UserError
from fmkeras.report.benchmark_table import (
    benchmark_note,
    benchmark_table,
    geometric_mean,
    ratios,
)


class Pretended:
    """A racer that takes as long as it is told, and notes whose turn it is."""

    def __init__(self, kind, rate, turns):
        self.contestant = Contestant(kind)
        self.rate, self.turns = rate, turns

    def ask(self, command, count, *further):
        self.turns.append((self.contestant.kind, command, count, *further))
        return {"seconds": count / self.rate}


def test_contestants_take_turns_and_each_gets_about_the_same_time():
    turns = []
    racers = [Pretended("tensors", 1000.0, turns), Pretended("tuned", 50.0, turns)]
    figures = run_rounds(racers, "train", 10, 2.0, 4)
    assert figures["pytorch-tensors"]["median"] == 1000.0
    assert figures["pytorch-tensors"]["images"] == 2000
    assert figures["pytorch-tuned"]["rates"] == [50.0] * 4
    assert figures["pytorch-tuned"]["images"] == 100
    order = [kind for kind, *_ in turns[-8:]]
    assert order == ["tensors", "tuned", "tuned", "tensors"] * 2


def test_a_slow_contestant_does_one_batch_a_turn():
    turns = []
    figures = run_rounds([Pretended("tensors", 1.0, turns)], "predict", 64, 2.0, 2, 64)
    assert figures["pytorch-tensors"]["images"] == 64
    assert turns == [("tensors", "predict", 64, 64)] * 3


def test_a_real_contestant_answers():
    with Racer(Contestant("tensors"), "linear", 16, "cpu") as racer:
        first = racer.ask("warm", 20)
        assert first["first_step"] > 0 and first["first_prediction"] > 0
        assert racer.ask("train", 32)["seconds"] > 0
        assert racer.ask("predict", 40, 20)["peak_memory"] > 1000
        with pytest.raises(ContestantFailed, match="exit code 1: IndexError"):
            racer.ask("train")


@pytest.mark.parametrize("kind", ["ours", "keras-fit", "loader"])
def test_the_other_contestants_train_and_predict(kind):
    with Racer(Contestant(kind), "linear", 16, "cpu") as racer:
        racer.ask("warm", 16)
        assert racer.ask("train", 32)["seconds"] > 0


def test_a_record_goes_on_where_it_ended_and_leaves_out_what_is_too_large(
    tmp_path, monkeypatch
):
    measured = []

    def measure(name, contestants, settings, report):
        measured.append(name)
        return {"train": {}, "predict": {}, "failed": {}}

    monkeypatch.setattr(throughput, "_measure", measure)
    monkeypatch.setattr(
        throughput, "_machine", lambda device: {"cores": 2, "float32": 1e11}
    )
    out = tmp_path / "record.json"
    arguments = {"out": out, "report": lambda line: None}
    run_benchmark(["linear"], **arguments)
    record = run_benchmark(["linear", "mlp", "vgg11"], **arguments)
    assert measured == ["linear", "mlp"]
    assert "a step would take about" in record["models"]["vgg11"]["left_out"]
    assert json.loads(out.read_text()) == record
    # Other settings are another measurement.
    run_benchmark(["linear"], batch_size=64, **arguments)
    assert measured == ["linear", "mlp", "linear"]
    out.write_text("{")
    with pytest.raises(UserError, match="Cannot read the record"):
        run_benchmark(["linear"], **arguments)


def test_unknown_networks_are_refused(tmp_path):
    with pytest.raises(UserError, match="Received: 'lenett'"):
        run_benchmark(["lenett"], out=tmp_path / "record.json")


def made_record():
    def figures(ours, other, plain):
        return {
            "ours-torch": {"median": ours},
            "ours-jax": {"median": other},
            "pytorch-tensors": {"median": plain},
        }

    failed = figures(10.0, 50.0, 20.0)
    del failed["ours-jax"]
    return {
        "settings": {
            "device": "cpu",
            "batch_size": 128,
            "rounds": 5,
            "seconds_a_round": 1.0,
            "contestants": ["ours-torch", "ours-jax", "pytorch-tensors"],
        },
        "machine": {"cores": 2, "float32": 166e9, "bfloat16": 736e9},
        "models": {
            "mlp": {"train": figures(40.0, 160.0, 20.0), "failed": {}},
            "lenet": {"train": failed, "failed": {"ours-jax": "no memory"}},
            "resnet18": {"train": figures(80.0, 10.0, 20.0), "failed": {}},
            "vgg11": {"left_out": "a step would take about 60 s"},
        },
    }


def test_ratios_are_of_the_best_of_ours():
    record = made_record()
    both = ["ours-torch", "ours-jax"]
    found = ratios(record, both, "pytorch-tensors", "train")
    assert found == {"mlp": 8.0, "lenet": 0.5, "resnet18": 4.0}
    assert geometric_mean([8.0, 0.5]) == pytest.approx(2.0)
    assert math.isnan(geometric_mean([]))


def test_the_table_has_every_figure_and_ratio():
    record = made_record()
    lines = benchmark_table(record, "train").splitlines()
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    assert rows[0][-2:] == ["torch / pytorch-tensors", "best / pytorch-tensors"]
    assert rows[2] == ["`mlp`", "40", "160", "20", "2.00", "8.00"]
    assert rows[3] == ["`lenet`", "10", "failed", "20", "0.50", "0.50"]
    assert rows[5][1] == "a step would take about 60 s"
    # Only networks of 28 pixels count: mlp and lenet.
    assert rows[-1][-2:] == ["1.00", "2.00"]
    assert "166 GFLOP/s in float32 and 736 in bfloat16" in benchmark_note(record)


def test_labels_name_kind_backend_and_precision():
    labels = [c.label for c in default_contestants(("jax",), ("float32", "bfloat16"))]
    assert labels == [
        "ours-jax",
        "ours-jax-bfloat16",
        "keras-fit-jax",
        "pytorch-loader",
        "pytorch-tensors",
        "pytorch-tuned",
    ]
