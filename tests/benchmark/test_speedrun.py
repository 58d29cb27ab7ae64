"""Speed runs: small ones of each kind, the rules' arithmetic, the table."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy import stats

from fmkeras.benchmark.speedrun import run
from fmkeras.benchmark.speedrun.goals import GOALS, Goal, find_goal
from fmkeras.benchmark.speedrun.record import is_known
from fmkeras.benchmark.speedrun.run import record_text, speedrun, verdict
from fmkeras.datasets.augmentation import Augmentation
from fmkeras.datasets.splits import Subset
from fmkeras.engines.device import device_kind, has_bfloat16_hardware
from fmkeras.errors import UserError
from fmkeras.evaluation.views import VIEWS, seen
from fmkeras.keras_internals import learning_rate_setting
from fmkeras.optimizers import Muon
from fmkeras.optimizers.learning_rates import schedule_function
from fmkeras.recipes import Recipe
from fmkeras.report.tables.speedruns import speedrun_table
from fmkeras.training.builders import build_optimizer

RECIPE = Recipe(
    epochs=2,
    batch_size=50,
    optimizer="sgd",
    learning_rate=0.05,
    schedule="linear",
    warmup_epochs=0.5,
    l2=5e-4,
    crop_padding=2,
    flip=True,
    erasing=0.25,
    preprocessing="standardise",
    keep="last",
    data_split="full",
    precision="bfloat16",
    compile="no",
)
SMALL = Goal(0.2, "conv_pool", {"stem": 4, "widths": (4, 6, 8)}, RECIPE, "mirror-shift")


@pytest.fixture(scope="module")
def parts(garments):
    return (
        Subset(garments.x_train[:230], garments.y_train[:230]),
        Subset(garments.x_test, garments.y_test),
    )


def test_a_bar_is_reached_by_ten_runs_and_a_t_test():
    accuracies = [0.941, 0.9405, 0.9415, 0.94, 0.942, 0.9408, 0.9412] + [0.941] * 3
    found = verdict(accuracies, 0.94)
    t, p = stats.ttest_1samp(accuracies, 0.94)
    assert t > 0 and found.p_value == pytest.approx(p / 2)
    assert found.reached and found.count == 10
    assert not verdict(accuracies[:9], 0.94).reached
    assert not verdict(accuracies, 0.94, planned=11).reached
    assert not verdict(accuracies, 0.9408).reached
    assert verdict(accuracies, 0.942).p_value > 0.99
    assert not verdict([0.95], 0.94).reached
    assert not verdict([0.95] * 10, 0.94).reached


def test_goals_train_on_all_images_and_choose_nothing():
    for name, goal in GOALS.items():
        assert goal.bar == int(name) / 100
        assert (goal.recipe.data_split, goal.recipe.keep) == ("full", "last")
        assert Goal.from_dict(json.loads(json.dumps(goal.to_dict()))) == goal
    with pytest.raises(UserError, match="Unknown goal; expected one of: 93"):
        find_goal("99")


@pytest.mark.slow
@pytest.mark.every_backend
def test_warming_up_leaves_no_trace(parts):
    from fmkeras.benchmark.speedrun.ours import OurRun, warm_up

    train, test = parts
    rows = ([], [])
    once = OurRun(SMALL, train, test, seed=3)
    twice = OurRun(SMALL, train, test, seed=3)
    warm_up(twice.engine, train, test, RECIPE.batch_size)
    right = [one.run(log.append) for one, log in zip((once, twice), rows, strict=True)]
    assert right[0] == right[1]
    for one, other in zip(*rows, strict=True):
        assert (one["loss"], one["accuracy"]) == (other["loss"], other["accuracy"])
    for one, other in zip(
        once.engine.model.get_weights(), twice.engine.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert int(keras.ops.convert_to_numpy(once.engine.optimizer.iterations)) == 10


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_plain_script_has_the_rates_of_the_recipe(schedule):
    from fmkeras.benchmark.speedrun.plain import rate_at

    recipe = RECIPE.replace(schedule=schedule)
    rates = schedule_function(learning_rate_setting(build_optimizer(recipe, 7)))
    for step in range(14):
        assert rate_at(recipe, step, 7) == pytest.approx(rates(step), rel=1e-6)


def test_the_plain_script_moves_erases_and_looks_as_ours_does():
    import torch

    from fmkeras.benchmark.speedrun import plain

    images = np.random.default_rng(0).integers(1, 256, (400, 28, 28)).astype(np.uint8)
    tensor = torch.from_numpy(images).unsqueeze(1)
    for view in VIEWS["mirror-shift"]:
        found = plain._seen(tensor, view)[:, 0].numpy()
        np.testing.assert_array_equal(found, seen(images, view))
    moved = plain._moved(tensor, 2)[:, 0].numpy()
    shifts = {
        (down, right): np.array_equal(
            moved[0, 2:-2, 2:-2], np.roll(images[0], (down, right), (0, 1))[2:-2, 2:-2]
        )
        for down in range(-2, 3)
        for right in range(-2, 3)
    }
    assert sum(shifts.values()) == 1
    erased = plain._erased(tensor.float(), 0.5)[:, 0].numpy()
    ours = Augmentation(erasing=0.5).augment(images, 0)
    shares = [(changed != images).mean(axis=(1, 2)) for changed in (erased, ours)]
    assert abs((shares[0] > 0).mean() - 0.5) < 0.08
    means = [share[share > 0].mean() for share in shares]
    assert means[0] == pytest.approx(means[1], rel=0.15)


def test_the_muon_of_the_plain_script_steps_as_ours_does():
    import torch

    from fmkeras.benchmark.speedrun.plain_muon import PlainMuon

    generator = np.random.default_rng(0)
    # Kernels with fewer and more outputs than inputs, in Keras's order; an offset.
    shapes = ((3, 3, 4, 6), (1, 1, 2, 8), (5,))
    draw = [[generator.normal(size=s) for s in shapes] for _ in range(4)]
    ours = [keras.Variable(values.astype("float32")) for values in draw[0]]
    muon = Muon(0.1, momentum=0.9, others_rate=0.5)
    muon.build(ours)
    theirs = [
        torch.nn.Parameter(torch.tensor(_outputs_first(v), dtype=torch.float32))
        for v in draw[0]
    ]
    groups = [
        {"params": theirs[:2], "orthogonal": True},
        {"params": theirs[2:], "orthogonal": False, "lr": 0.05},
    ]
    plain = PlainMuon(groups, 0.1, momentum=0.9)
    for gradients in draw[1:]:
        muon.apply([keras.ops.convert_to_tensor(g, "float32") for g in gradients], ours)
        for weight, gradient in zip(theirs, gradients, strict=True):
            weight.grad = torch.tensor(_outputs_first(gradient), dtype=torch.float32)
        plain.step()
    for weight, variable in zip(theirs, ours, strict=True):
        expected = _outputs_first(keras.ops.convert_to_numpy(variable.value))
        np.testing.assert_allclose(weight.detach().numpy(), expected, atol=2e-5)


def _outputs_first(values):
    return values.transpose(3, 2, 0, 1) if values.ndim == 4 else values


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
@pytest.mark.parametrize("kind", ["pytorch", "pytorch-bfloat16"])
def test_plain_pytorch_learns_the_same_task(parts, kind, optimizer):
    from fmkeras.benchmark.speedrun.worker import make_run

    rows = []
    recipe = RECIPE.replace(optimizer=optimizer, l2=0.0)
    one = make_run(kind, dataclasses.replace(SMALL, recipe=recipe), *parts, seed=1)
    assert 0 <= one.run(rows.append) <= 200
    assert len(rows) == 2 and rows[1]["loss"] < rows[0]["loss"]
    with pytest.raises(UserError, match="expected no other fields. Received: ema"):
        other = Goal(0.2, "conv_pool", {}, RECIPE.replace(ema=0.9))
        make_run(kind, other, *parts, seed=1)


@pytest.fixture
def quick(garments, tmp_path, monkeypatch):
    """Speed runs whose processes take no time; `facts` is what they and we run."""
    facts = {"commit": "a" * 40, "versions": {"torch": "2"}, "time": "2026-11-29T00"}
    monkeypatch.setattr(run, "provenance", lambda: dict(facts))
    lines = []

    def one_run(kind, goal, seed, data, backend):
        seconds = 2.0 + seed + len(kind)
        figures = {"seconds": seconds, "accuracy": 0.3 + seed / 100, "prepared_in": 1.0}
        return {"kind": kind, "seed": seed, "commit": facts["commit"], **figures}

    monkeypatch.setattr(run, "_run", one_run)

    def go(device="CPU (A, 2 cores)", runs=1, dataset=garments):
        lines.clear()
        return speedrun(
            "20",
            SMALL,
            dataset,
            device=device,
            runs=runs,
            beside=2,
            folder=tmp_path / "saved_models/records/speedrun",
            log=lines.append,
        )

    go.facts, go.lines, go.root = facts, lines, tmp_path
    return go


def test_a_record_goes_on_whatever_its_file_is_called(quick):
    path, record = quick()
    assert path.name == "20-torch-cpu-a-2-cores-garments-aaaaaaa.json"
    count = len(record["runs"])
    older = path.rename(path.with_name("20-torch-aaaaaaa.json"))
    assert quick() == (older, record) and not quick.lines
    # What an interrupted command left to do.
    older.write_text(json.dumps(record | {"runs": record["runs"][:-1]}))
    assert quick()[0] == older and len(quick.lines) == 1
    assert len(json.loads(older.read_text())["runs"]) == count


def test_runs_are_not_added_after_a_look_at_the_others(quick):
    """A t test after each run, until one is below the level, rejects too often."""
    path, record = quick(runs=2)
    assert record["planned"] == 2
    further, other = quick(runs=3)
    assert further != path and other["planned"] == 3
    assert len(json.loads(path.read_text())["runs"]) == len(record["runs"])


def test_other_devices_data_commits_and_versions_have_records_of_their_own(
    quick, garments
):
    quick()
    quick(device="GPU (B)")
    other = dataclasses.replace(garments, checksum="other")
    path, _ = quick(dataset=other)
    assert path.name == "20-torch-cpu-a-2-cores-garments-aaaaaaa-2.json"
    quick.facts["versions"] = {"torch": "3"}
    assert quick()[0].name.endswith("-3.json") and quick()[0].name.endswith("-3.json")
    quick.facts["commit"] = "b" * 40
    quick()
    assert len(list(path.parent.glob("*.json"))) == 5
    # Of changed code nobody knows whether it is the same.
    for commit, end in (("b" * 40 + "-dirty", "bbbbbbb-dirty"), (None, "unknown")):
        quick.facts["commit"] = commit
        assert quick()[0].stem.endswith(end) and quick.lines
        assert quick()[0].stem.endswith(f"{end}-2") and quick.lines


def test_runs_of_other_code_are_not_mixed(quick, monkeypatch):
    path, record = quick()
    monkeypatch.setattr(run, "provenance", lambda: quick.facts | {"commit": "a" * 40})
    path.write_text(json.dumps(record | {"runs": record["runs"][:-1]}))
    before = path.read_bytes()
    quick.facts["commit"] = "c" * 40 + "-dirty"
    with pytest.raises(UserError) as told:
        quick()
    assert "expected that of commit aaaaaaa, as the record has" in str(told.value)
    assert "Received: ccccccc-dirty" in str(told.value)
    assert path.read_bytes() == before


def test_a_record_that_another_process_wrote_meanwhile_stays(quick, monkeypatch):
    path, record = quick()
    kept = record["runs"][:-1]
    path.write_text(json.dumps(record | {"runs": kept}))
    one_run = run._run

    def meanwhile(*arguments):
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"runs": content["runs"] * 2}))
        return one_run(*arguments)

    monkeypatch.setattr(run, "_run", meanwhile)
    with pytest.raises(UserError, match="was changed during the speed run; expected"):
        quick()
    assert len(json.loads(path.read_text())["runs"]) == 2 * len(kept)


def test_the_table_is_of_fashion_mnist_with_the_range_of_the_plain_runs(
    quick, garments
):
    quick()
    assert "No record yet" in speedrun_table(quick.root)
    named = dataclasses.replace(garments, name="fashion-mnist")
    quick.facts["commit"] = "d" * 40 + "-dirty"
    path, record = quick(runs=3, dataset=named)
    assert path.name == "20-torch-cpu-a-2-cores-ddddddd-dirty.json"
    text = record_text(record)
    assert "pytorch: 9.5 s (9.0 to 10.0, 2 runs), 1." in text
    (row,) = speedrun_table(quick.root).splitlines()[2:]
    assert "| 9.5 s (9.0 to 10.0, 2 runs): 1.46x |" in row
    assert "ddddddd-dirty" in row
    path.write_text("[]")
    with pytest.raises(UserError, match="ddddddd-dirty.json' is damaged"):
        speedrun_table(quick.root)


def test_the_first_record_stays_in_the_table():
    assert "344.5 ± 10.9" in speedrun_table(Path(__file__).parents[2])


@pytest.mark.slow
def test_a_record_grows_run_by_run_and_makes_the_table(garments, tmp_path):
    folder = tmp_path / "saved_models/records/speedrun"
    lines = []

    def go():
        return speedrun(
            "20",
            SMALL,
            garments,
            device="a device",
            runs=1,
            beside=1,
            folder=folder,
            log=lines.append,
        )

    path, record = go()
    low = has_bfloat16_hardware(device_kind())
    kinds = list(run.KINDS) if low else list(run.KINDS[:2])
    assert [r["kind"] for r in record["runs"]] == kinds
    assert path.name.startswith("20-torch-a-device-garments-") and len(lines) == len(
        kinds
    )
    # What is in the record is not run again.
    if is_known(record["commit"]):
        assert go() == (path, record) and len(lines) == len(kinds)
    for one in record["runs"]:
        assert one["commit"] == record["commit"]
        assert len(one["epochs"]) == 2 and one["accuracy"] == one["right"] / 200
        assert one["busy_cores"] is None or one["busy_cores"] >= 0
        assert one["seconds"] >= sum(e["seconds"] for e in one["epochs"]) - 0.01
    assert "times as long" in record_text(record)
    assert "No record yet" in speedrun_table(tmp_path)
    record["dataset"]["name"] = "fashion-mnist"
    path.write_text(json.dumps(record))
    table = speedrun_table(tmp_path)
    (row,) = table.splitlines()[2:]
    assert "`conv_pool` stem 4, widths 4-6-8" in row and "mirror-shift" in row
    assert row.count("s (1 run): ") == len(kinds) - 1 and "20 %" in row
