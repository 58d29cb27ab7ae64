"""The measurement of speed: turns, medians, records and tables; not the speed."""

import gzip
import json
import math

import pytest
import torch
from support.data_files import idx_bytes, small_arrays

from fmkeras.benchmark.pytorch.build import build_twin
from fmkeras.benchmark.speed import end_to_end, pytorch_script
from fmkeras.benchmark.speed import run as speed_run
from fmkeras.benchmark.speed.machine import describe_machine, warn_if_busy
from fmkeras.benchmark.speed.memory import available_memory
from fmkeras.benchmark.speed.profile import KINDS, profile_steps
from fmkeras.benchmark.speed.rounds import (
    Competitor,
    ContestantFailed,
    WorkerProcess,
    run_rounds,
)
from fmkeras.benchmark.speed.run import (
    PRECISIONS,
    default_competitors,
    quick_competitors,
    run_benchmark,
)
from fmkeras.benchmark.speed.scaling import run_scaling
from fmkeras.benchmark.speed.spread import median_interval, warn_if_wide
from fmkeras.errors import UserError
from fmkeras.models import build_model, list_models, model_info
from fmkeras.report.plots.speed import plot_scaling, plot_speed
from fmkeras.report.tables.speed import (
    augmentation_table,
    benchmark_note,
    cost_table,
    geometric_mean,
    machine_text,
    profile_table,
    rate_table,
    ratio_table,
    ratios,
    scaling_table,
)

SMALL = [name for name in list_models() if model_info(name).input_size == 28]


class Pretended:
    """A worker that takes as long as it is told, and notes whose turn it is."""

    most_images = 60_000

    def __init__(self, kind, rate, turns):
        self.competitor = Competitor(kind)
        self.rate, self.turns = rate, turns

    def ask(self, command, count, *further):
        self.turns.append((self.competitor.kind, command, count, *further))
        return {"seconds": count / self.rate}


def test_contestants_take_turns_and_each_gets_about_the_same_time():
    turns = []
    workers = [Pretended("tensors", 1000.0, turns), Pretended("tuned", 50.0, turns)]
    figures = run_rounds(workers, "train", 10, 2.0, 4)
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
    # Once to warm up, once to see how long it takes, and two rounds.
    assert turns == [("tensors", "predict", 64, 64)] * 4


def test_where_rounds_differ_much_there_are_more(monkeypatch):
    noisy = Pretended("tensors", 100.0, [])
    steady = Pretended("tuned", 100.0, [])
    # Two calls before the turns.
    seconds = iter([1.0, 1.0, 1.0, 2.0, 1.0, 0.5, 1.0] + [1.0] * 20)
    monkeypatch.setattr(noisy, "ask", lambda *words: {"seconds": next(seconds)})
    figures = run_rounds([noisy, steady], "train", 100, 1.0, 5, most=15)
    # Of nine, the second on each side is left out.
    assert len(figures["pytorch-tensors"]["rates"]) == 9
    assert len(figures["pytorch-tuned"]["rates"]) == 9
    always = iter([1.0, 2.0] * 20)
    monkeypatch.setattr(noisy, "ask", lambda *words: {"seconds": next(always)})
    figures = run_rounds([noisy, steady], "train", 100, 1.0, 5, most=15)
    assert len(figures["pytorch-tensors"]["rates"]) == 15


@pytest.mark.parametrize(
    ("count", "ends"),
    [(1, (0, 0)), (3, (0, 2)), (5, (0, 4)), (8, (0, 7)), (9, (1, 7)), (15, (3, 11))],
)
def test_the_interval_of_a_median_is_that_of_the_sign_test(count, ends):
    values = list(range(count))
    low, high = median_interval(values[::-1])
    assert (low, high) == ends
    if count >= 5:
        # That the median lies outside: all but `low` of the coins fall on one side.
        outside = 2 * sum(math.comb(count, k) for k in range(low + 1)) / 2**count
        assert outside <= 1 / 16


def test_who_fails_leaves_and_the_others_go_on(monkeypatch):
    workers = [Pretended("tensors", 100.0, []), Pretended("tuned", 100.0, [])]
    answers = iter([1.0, 1.0, 1.0])

    def stops_in_the_second_round(*words):
        for seconds in answers:
            return {"seconds": seconds}
        raise ContestantFailed("exit code -9: killed")

    monkeypatch.setattr(workers[1], "ask", stops_in_the_second_round)
    with pytest.raises(ContestantFailed):
        run_rounds(list(workers), "train", 100, 1.0, 5)
    answers = iter([1.0, 1.0, 1.0])
    failed: dict[str, str] = {}
    figures = run_rounds(workers, "train", 100, 1.0, 5, failed=failed)
    assert failed == {"pytorch-tuned": "exit code -9: killed"}
    assert list(figures) == ["pytorch-tensors"]
    assert len(figures["pytorch-tensors"]["rates"]) == 5


def test_the_first_call_does_not_count(monkeypatch):
    worker = Pretended("tensors", 1000.0, [])
    ask = worker.ask
    seconds = iter([30.0])

    def first_slow(*words):
        return ask(*words) | {"seconds": next(seconds, ask(*words)["seconds"])}

    monkeypatch.setattr(worker, "ask", first_slow)
    figures = run_rounds([worker], "train", 10, 2.0, 1)
    assert figures["pytorch-tensors"] == {
        "median": 1000.0,
        "rates": [1000.0],
        "images": 2000,
    }


def test_a_real_contestant_answers():
    with WorkerProcess(Competitor("tensors"), "linear", 16, "cpu") as worker:
        first = worker.ask("warm", 20)
        assert first["first_step"] > 0 and first["first_prediction"] > 0
        assert worker.ask("train", 32)["seconds"] > 0
        assert worker.ask("predict", 40, 20)["peak_memory"] > 1000
        with pytest.raises(ContestantFailed, match="exit code 1: IndexError"):
            worker.ask("train")


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_a_contestant_leaves_a_gpus_memory_to_the_others(backend, monkeypatch):
    """They all wait beside each other, and each would take most of it at its start."""
    from jaxlib.xla_client import generate_pjrt_gpu_plugin_options

    environments = []

    class Started:
        def __init__(self, command, env, **streams):
            environments.append(env)

        def kill(self):
            pass

        def communicate(self):
            pass

    monkeypatch.setattr("fmkeras.benchmark.speed.rounds.subprocess.Popen", Started)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with WorkerProcess(Competitor("ours", backend), "linear", 16, "gpu"):
        pass
    (given,) = environments
    assert given["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert "CUDA_VISIBLE_DEVICES" not in given
    name = "XLA_PYTHON_CLIENT_PREALLOCATE"
    monkeypatch.delenv(name, raising=False)
    assert generate_pjrt_gpu_plugin_options().get("preallocate") is None
    monkeypatch.setenv(name, given[name])
    assert generate_pjrt_gpu_plugin_options()["preallocate"] is False


@pytest.mark.parametrize("kind", ["ours", "keras-fit", "loader"])
def test_the_other_contestants_train_and_predict(kind):
    with WorkerProcess(Competitor(kind), "linear", 16, "cpu") as worker:
        worker.ask("warm", 16)
        assert worker.ask("train", 32)["seconds"] > 0


@pytest.fixture
def known_machine(monkeypatch):
    """A machine of two cores whose matrix products nobody measures."""
    rates = {"cores": 2, "float32": 1e11}
    monkeypatch.setattr(speed_run, "_machine", lambda device: rates)


def test_a_record_goes_on_where_it_ended_and_leaves_out_what_is_too_large(
    tmp_path, monkeypatch, known_machine
):
    measured = []

    def measure(name, competitors, settings, log):
        measured.append(name)
        return {"train": {}, "predict": {}, "failed": {}}

    monkeypatch.setattr(speed_run, "_measure", measure)
    out = tmp_path / "record.json"
    arguments = {"out": out, "log": lambda line: None}
    run_benchmark(["linear"], **arguments)
    record = run_benchmark(["linear", "mlp", "vgg11"], **arguments)
    assert measured == ["linear", "mlp"]
    assert "a step would take about" in record["models"]["vgg11"]["left_out"]
    assert json.loads(out.read_text()) == record
    # A whole run may be all that is missing.
    monkeypatch.setattr(speed_run, "measure_end_to_end", lambda folder: {"ratio": 1.2})
    record = run_benchmark(["linear"], data_dir="data", **arguments)
    assert record["whole_run"]["ratio"] == 1.2 and measured == ["linear", "mlp"]
    assert json.loads(out.read_text()) == record
    # Other settings are another measurement.
    run_benchmark(["linear"], batch_size=64, **arguments)
    assert measured == ["linear", "mlp", "linear"]
    # So is another machine: its rates do not stay beside those of this one.
    other = {"processor": "another", "cores": 2, "float32": 1e11}
    monkeypatch.setattr(speed_run, "_machine", lambda device: other)
    lines = []
    record = run_benchmark(["mlp"], batch_size=64, out=out, log=lines.append)
    assert list(record["models"]) == ["mlp"] and record["machine"] == other
    assert "was made on another machine" in lines[0]
    out.write_text("{")
    with pytest.raises(UserError, match="Cannot read the record"):
        run_benchmark(["linear"], **arguments)


@pytest.mark.slow
def test_who_finds_no_memory_is_not_started_and_the_plain_loop_goes_first(
    tmp_path, monkeypatch, known_machine
):
    # So much is left before each of three starts; the first finds whatever there is.
    left = iter([0.0, 1e12, 1e3])
    monkeypatch.setattr(speed_run, "available_memory", lambda: next(left))
    competitors = [Competitor("loader"), Competitor("ours"), Competitor("tensors")]
    record = run_benchmark(
        ["linear"],
        competitors=competitors,
        out=tmp_path / "record.json",
        rounds=1,
        seconds=0.01,
        log=lambda line: None,
    )
    entry = record["models"]["linear"]
    assert list(entry["train"]) == ["pytorch-tensors", "ours-torch"]
    assert list(entry["failed"]) == ["pytorch-loader"]
    assert "0.0 GB of memory left" in entry["failed"]["pytorch-loader"]


@pytest.mark.slow
def test_who_dies_after_its_turns_leaves_too(tmp_path, monkeypatch, known_machine):
    ask = WorkerProcess.ask

    def dies_when_profiled(self, *words):
        if words[0] == "profile" and self.competitor.kind == "ours":
            self._process.kill()
        return ask(self, *words)

    monkeypatch.setattr(WorkerProcess, "ask", dies_when_profiled)
    lines = []
    record = run_benchmark(
        ["linear"],
        competitors=[Competitor("ours"), Competitor("tensors")],
        out=tmp_path / "record.json",
        rounds=1,
        seconds=0.01,
        log=lines.append,
    )
    entry = record["models"]["linear"]
    assert set(entry["train"]) == {"pytorch-tensors", "ours-torch"}
    assert entry["failed"] == {"ours-torch": "exit code -9: no message"}
    assert list(entry["profile"]) == ["pytorch-tensors"]
    assert list(entry["peak_memory_mb"]) == ["pytorch-tensors"]
    assert "  ours-torch failed: exit code -9: no message" in lines


def test_the_memory_left_is_what_linux_says(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemFree:   1 kB\nMemAvailable:   2048 kB\nSwapFree: 3 kB\n")
    assert available_memory(meminfo) == 2048 * 1024
    assert available_memory(tmp_path / "missing") == float("inf")


def test_unknown_networks_are_refused(tmp_path):
    with pytest.raises(UserError, match="Received: 'lenett'"):
        run_benchmark(["lenett"], out=tmp_path / "record.json")


def rounds(median, factors):
    return {"median": median, "rates": [median * factor for factor in factors]}


def made_record():
    def figures(ours, other, plain):
        return {
            "ours-torch": rounds(ours, (0.9, 1.0, 1.1)),
            "ours-jax": rounds(other, (1.0, 1.0, 1.0)),
            "pytorch-tensors": rounds(plain, (1.0, 1.0, 0.8)),
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


def test_a_record_says_on_what_machine_it_was_made():
    record = made_record()
    assert machine_text(record) == "CPU with 2 cores"
    record["machine"] |= {
        "processor": "AMD EPYC",
        "threads": 2,
        "load": 0.25,
        "busy_cores": 0.1,
    }
    wanted = "CPU (AMD EPYC), 2 cores, 2 threads, load 0.25 before"
    assert machine_text(record) == wanted
    record["models"]["mlp"]["busy_cores"] = 1.3
    assert machine_text(record).endswith(
        "**beside other work that kept up to 1.3 cores busy**"
    )


def test_a_busy_machine_and_wide_rounds_are_said():
    lines = []
    warn_if_busy(0.1, lines.append)
    warn_if_busy(None, lines.append)
    figures = {"a": rounds(10.0, (0.9, 1.0, 1.1)), "b": rounds(10.0, (0.6, 1.0, 1.2))}
    warn_if_wide("train", figures, lines.append)
    assert lines == ["  Warning: the rounds of train differ much: b ± 30 %"]
    warn_if_busy(1.26, lines.append)
    assert "keep 1.3 cores busy" in lines[1]


def test_the_machine_is_described():
    machine = describe_machine("cpu")
    assert machine["processor"] and machine["cores"] >= machine["threads"] >= 1
    assert machine["load"] >= 0
    assert "gpu" not in machine


def test_ratios_are_of_the_best_of_ours():
    record = made_record()
    both = ["ours-torch", "ours-jax"]
    found = ratios(record, both, "pytorch-tensors", "train")
    values = {name: ratio.value for name, ratio in found.items()}
    assert values == {"mlp": 8.0, "lenet": 0.5, "resnet18": 4.0}
    # Round by round: 9 / 20, 10 / 20, 11 / 16.
    assert (found["lenet"].low, found["lenet"].high) == pytest.approx((0.45, 0.6875))
    assert geometric_mean([8.0, 0.5]) == pytest.approx(2.0)
    assert math.isnan(geometric_mean([]))


def cells(table):
    return [[c.strip() for c in row.strip("|").split("|")] for row in table.split("\n")]


def test_the_tables_have_every_figure_and_ratio():
    record = made_record()
    rows = cells(ratio_table(record, "train"))
    assert rows[0][1:] == [
        "torch / plain",
        "best torch / plain",
        "best float32 / plain",
        "best / plain",
    ]
    torch, best = "2.00 (1.80–2.75)", "8.00 (8.00–10.00)"
    assert rows[2] == ["`mlp`", torch, torch, best, best]
    assert rows[3] == ["`lenet`"] + ["0.50 (0.45–0.69)"] * 4
    assert rows[5][1] == "a step would take about 60 s"
    # Only networks of 28 pixels count: mlp and lenet.
    assert rows[-1][1:] == ["1.00", "1.00", "2.00", "2.00"]
    rows = cells(rate_table(record, "train"))
    assert rows[0] == ["network", "torch", "jax", "plain"]
    assert rows[2] == ["`mlp`", "40 ± 10 %", "160 ± 0 %", "20 ± 10 %"]
    assert rows[3] == ["`lenet`", "10 ± 10 %", "failed", "20 ± 10 %"]
    assert "166 GFLOP/s in float32 and 736 in bfloat16" in benchmark_note(record)
    del record["machine"]["bfloat16"]
    assert "166 GFLOP/s in float32; the device has no" in benchmark_note(record)


def test_the_published_rate_stands_beside_ours():
    record = made_record()
    record["models"] = {"lenet": record["models"]["lenet"]}
    record["models"]["lenet"]["predict"] = record["models"]["lenet"]["train"]
    rows = cells(rate_table(record, "predict"))
    assert rows[2][0] == "`lenet`" and rows[2][-1] == "31,055"
    # All nine stand there, those that were not measured here too.
    rates = {row[0].strip("`"): row[-1] for row in rows[2:]}
    assert len(rates) == 9 and rates["vgg11"] == "2,106"
    [vgg11] = [row for row in rows if row[0] == "`vgg11`"]
    assert set(vgg11[1:-1]) == {""}
    train = cells(rate_table(record, "train"))
    assert [row[0] for row in train[2:]] == ["`lenet`"]


def test_the_table_of_costs_has_the_share_of_the_peak():
    record = made_record()
    entry = record["models"]["mlp"] | {
        "multiply_adds": 1_000_000,
        "first_step": {"ours-torch": 2.5, "pytorch-tensors": 0.5},
        "first_prediction": {"ours-torch": 0.25},
        "peak_memory_mb": {"ours-torch": 700, "pytorch-tensors": 600},
    }
    record["models"] = {"mlp": entry, "vgg11": record["models"]["vgg11"]}
    rows = cells(cost_table(record))
    assert len(rows) == 3
    assert rows[2][:6] == ["`mlp`", "1.00 M", "2.5 s", "0.5 s", "0.25 s", ""]
    # 6 operations a multiply-add, 40 images a second, of 166 GFLOP/s.
    record["machine"]["float32"] = 6e6 * 40 / 0.5
    assert cells(cost_table(record))[2][-2:] == ["50 %", "25 %"]


def test_the_profile_has_ours_and_the_plain_loop():
    record = made_record()
    times = {"convolutions": 4.0, "rest": 1.25}
    labels = ("ours-torch", "ours-torch-bfloat16", "pytorch-tensors")
    record["settings"]["contestants"] = list(labels)
    record["models"]["mlp"]["profile"] = dict.fromkeys(labels, times)
    rows = cells(profile_table(record))
    assert rows[0] == ["network", "convolutions", "rest"]
    assert rows[2:] == [["`mlp`", "4.0 / 4.0 / 4.0", "1.2 / 1.2 / 1.2"]]
    # Without hardware for bfloat16 two are left.
    record["settings"]["contestants"].remove("ours-torch-bfloat16")
    assert cells(profile_table(record))[2:] == [["`mlp`", "4.0 / 4.0", "1.2 / 1.2"]]


def test_a_profile_tells_the_kinds_of_operations_apart():
    x, weight = torch.ones(8, 3, 9, 9), torch.ones(4, 3, 3, 3)
    found = profile_steps(
        lambda: (
            torch.relu(torch.conv2d(x, weight)).flatten(1).matmul(torch.ones(196, 9))
        ),
        steps=1,
    )
    assert list(found) == list(KINDS)
    assert all(found[kind] > 0 for kind in ("convolutions", "products", "activations"))
    assert found["pooling"] == found["normalisation"] == 0


def test_the_picture_shows_every_contestant(tmp_path):
    record = made_record()
    record["settings"]["contestants"] += ["ours-torch-bfloat16-compiled"]
    for entry in record["models"].values():
        entry["predict"] = entry.get("train", {})
    path = tmp_path / "speed.svg"
    plot_speed(record, path)
    assert path.stat().st_size > 10_000


@pytest.mark.slow
def test_growth_goes_over_batches_and_sides(tmp_path):
    settings = {
        "competitors": [Competitor("ours"), Competitor("tensors")],
        "out": tmp_path / "record.json",
        "rounds": 1,
        "seconds": 0.01,
        "batches": (16, 40),
        "sides": (28, 35),
        "augmentations": ("none", "all"),
    }
    lines = []
    record = run_scaling(["linear"], log=lines.append, **settings)
    assert json.loads((tmp_path / "record.json").read_text()) == record
    assert len(lines) == 5 and "35 x 35 pixels" in lines[-2]
    entry = record["models"]["linear"]
    assert list(entry["batch"]) == ["16", "40"] and list(entry["side"]) == ["28", "35"]
    assert entry["batch"]["40"]["ours-torch"]["images"] % 40 == 0
    assert entry["side"]["35"]["pytorch-tensors"]["median"] > 0
    rows = cells(scaling_table(record))
    assert rows[0] == ["network", "size", "torch", "plain"]
    assert [row[1] for row in rows[2:]][1:3] == ["batches of 40", "28 x 28 pixels"]
    rows = cells(augmentation_table(record))
    assert rows[0] == ["network", "ours on", "all"]
    assert rows[2][:2] == ["`linear`", "torch"] and rows[2][2].endswith("%")
    assert len(rows) == 3
    plot_scaling(record, tmp_path / "growth.svg")
    assert (tmp_path / "growth.svg").stat().st_size > 10_000
    run_scaling(["linear"], log=lines.append, **settings)
    assert lines[5:] == ["linear: measured before"]
    with pytest.raises(UserError, match="resnet18 resizes all images to 96 x 96"):
        run_scaling(["resnet18"], **settings)


@pytest.mark.parametrize("name", SMALL)
def test_the_twins_take_larger_images(name):
    model = build_model(name, input_shape=(40, 40, 1))
    twin = build_twin(name, side=40)
    counts = [parameter.numel() for parameter in twin.parameters()]
    assert sum(counts) == sum(math.prod(w.shape) for w in model.trainable_weights)
    assert twin(torch.zeros(2, 1, 40, 40)).shape == (2, 10)
    assert twin.training


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_takes_part_where_there_is_hardware_for_it(native, monkeypatch):
    monkeypatch.setattr(speed_run, "has_bfloat16_hardware", lambda kind: native)
    labels = [c.label for c in default_competitors()]
    assert ("ours-torch-bfloat16" in labels) == native
    assert "ours-torch" in labels and "pytorch-tuned" in labels


def test_labels_name_kind_backend_and_precision():
    labels = [c.label for c in default_competitors(("torch", "jax"), PRECISIONS)]
    assert labels == [
        "ours-torch",
        "ours-torch-bfloat16",
        "ours-jax",
        "ours-torch-compiled",
        "ours-torch-bfloat16-compiled",
        "keras-fit-torch",
        "pytorch-loader",
        "pytorch-tensors",
        "pytorch-tuned",
    ]
    labels = [c.label for c in default_competitors(("jax",), PRECISIONS, "gpu")]
    assert labels[:3] == ["ours-jax", "ours-jax-bfloat16", "keras-fit-jax"]
    labels = [c.label for c in quick_competitors(("jax",))]
    assert labels == ["ours-jax", "pytorch-tensors"]


@pytest.mark.parametrize("packed", [True, False])
def test_a_plain_script_trains_and_saves(packed, tmp_path, monkeypatch, capsys):
    for name, array in small_arrays().items():
        content = idx_bytes(array)
        if packed:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(pytorch_script, "HELD_OUT", 10)
    pytorch_script.main(str(tmp_path), str(tmp_path / "net.pt"))
    assert (tmp_path / "net.pt").stat().st_size > 200_000
    words = capsys.readouterr().out.split()
    assert words[0] == "validation" and words[2] == "test"


def test_the_plain_script_moves_and_mirrors():
    images = torch.zeros(400, 1, 28, 28)
    images[:, 0, 10, 3] = 1
    changed = pytorch_script.change(images)
    _, _, rows, columns = changed.nonzero(as_tuple=True)
    assert set(rows.tolist()) == {9, 10, 11}
    assert set(columns.tolist()) == {2, 3, 4, 23, 24, 25}


def test_whole_runs_take_turns_and_the_first_does_not_count(monkeypatch):
    took = {"ours": iter([9.0, 3.0, 2.0, 4.0]), "plain": iter([9.0, 2.0, 1.0, 9.0])}
    turns = []

    def run(command):
        label = "ours" if command[2] == "fmkeras" else "plain"
        turns.append(label)
        return next(took[label])

    monkeypatch.setattr(end_to_end, "_run", run)
    found = end_to_end.measure_end_to_end("data")
    assert turns == ["ours", "plain"] * 4
    assert found == {"ours": [3.0, 2.0, 4.0], "plain": [2.0, 1.0, 9.0], "ratio": 1.5}


def test_a_whole_run_that_fails_says_why(tmp_path):
    with pytest.raises(UserError, match="A training run failed.*is not in"):
        end_to_end.measure_end_to_end(tmp_path / "nothing")
