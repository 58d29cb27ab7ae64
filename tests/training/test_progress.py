"""The bar, the line of an epoch and the estimate of a training's time."""

import re

import keras
import pytest

from fmkeras.training import progress
from fmkeras.training.progress import ProgressBar, TimeEstimate, joined


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, monkeypatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "perf_counter", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def ready(callback, epochs, steps):
    callback.set_params({"epochs": epochs, "steps": steps})
    callback.on_epoch_begin(0)
    return callback


def test_the_estimate_leaves_the_first_call_out_and_says_what_to_do(clock):
    lines = []
    estimate = ready(TimeEstimate(128, lines.append), epochs=200, steps=430)
    clock.now += 60  # compiles
    estimate.on_train_batch_end(0)
    clock.now += 1
    estimate.on_train_batch_end(1)
    assert not lines
    clock.now += 3
    estimate.on_train_batch_end(4)
    clock.now += 100
    estimate.on_train_batch_end(104)
    (text,) = lines
    # 4 steps in 4 s: 430 s an epoch, 200 of these.
    assert text.startswith(
        "This training goes on for about a day, about 7 minutes an epoch"
    )
    assert "--epochs 8 (make: EPOCHS=8) takes about 57 minutes" in text
    assert "--limit 2000 (make: LIMIT=2000)" in text
    assert "--resume last" in text


def test_the_estimate_counts_the_trainings_that_follow(clock):
    lines = []
    callback = TimeEstimate(128, lines.append, trainings=6, advise=False)
    estimate = ready(callback, epochs=2, steps=400)
    estimate.on_train_batch_end(0)
    clock.now += 5
    estimate.on_train_batch_end(10)
    assert (
        "goes on for about 7 minutes, about 3 minutes an epoch;\nall 6 that" in lines[0]
    )
    assert "take about 40 minutes" in lines[0]
    assert "shorter" not in lines[0]


def test_a_short_training_has_no_estimate(clock):
    lines = []
    estimate = ready(TimeEstimate(128, lines.append), epochs=2, steps=20)
    estimate.on_train_batch_end(0)
    clock.now += 4
    estimate.on_train_batch_end(10)
    assert lines == []


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_the_bar_breaks_nothing_and_has_rate_and_time_left_first(
    clock, monkeypatch, columns
):
    monkeypatch.setenv("COLUMNS", str(columns))
    bar = ready(ProgressBar(55_000, 128), epochs=1000, steps=430)
    logs = {"loss": 12.34567, "accuracy": 0.81234}
    bar.on_train_batch_end(9, logs)
    clock.now += 0.5
    bar.on_train_batch_end(99, logs)
    text = bar._bar.desc
    wanted = "Epoch 1/1000  23,040 images/s  39:47 left  loss 12.3457  accuracy 0.8123"
    assert wanted.startswith(text)
    assert len(text) + progress.BAR + 2 <= max(min(columns, 80), 40)
    assert re.fullmatch(r"(\S+ \S+  )*\S+ \S+", text), text
    bar.close()


def test_the_line_of_an_epoch_breaks_between_figures():
    parts = ["Epoch  1/10", "8,000 images/s", "4:10 left", "loss 0.3012"]
    assert joined(parts) == "Epoch  1/10  8,000 images/s  4:10 left  loss 0.3012"
    narrow = joined(parts, 40)
    assert narrow == "Epoch  1/10  8,000 images/s  4:10 left\n    loss 0.3012"


def test_a_training_says_what_it_is(tmp_path, garments, capsys):
    from fmkeras.datasets.splits import split_dataset
    from fmkeras.recipes import find_recipe
    from fmkeras.training.auto import Execution
    from fmkeras.training.header import ParametersLine, header_lines

    recipe = find_recipe("default", "lenet")
    split = split_dataset(garments, 3)
    execution = Execution("float32", True, "CPU")
    lines = header_lines("lenet", garments, split, recipe, execution, 3)
    assert f"{len(split.train):,} training" in lines[1]
    assert f"{recipe.epochs} epochs, batch {recipe.batch_size}" in lines[2]
    assert lines[3].startswith("Precision float32, compiled")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    line = ParametersLine()
    line.set_model(model)
    line.on_train_begin()
    model.layers[0].trainable = False
    line.on_train_begin()
    assert capsys.readouterr().out == "Parameters 9\nParameters 9, 0 of them trained\n"
