"""The same run, bit for bit, however its steps are put into calls or interrupted."""

import keras
import numpy as np
import pytest

from fmkeras.datasets.splits import split_dataset
from fmkeras.engines import create_engine
from fmkeras.files import write_json
from fmkeras.recipes import Recipe
from fmkeras.training.builders import (
    build_augmentation,
    build_loss,
    build_network,
    build_optimizer,
)
from fmkeras.training.callbacks import RunLog
from fmkeras.training.checkpoint import Checkpoint
from fmkeras.training.per_class import PerClassMetrics

pytestmark = pytest.mark.every_backend

CALLS = (1, 7, 500)
RECIPES = {
    "adamw": Recipe(
        optimizer="adamw",
        weight_decay=0.01,
        schedule="cosine",
        warmup_epochs=0.5,
        ema=0.9,
        crop_padding=2,
        flip=True,
        erasing=0.5,
        label_smoothing=0.1,
        batch_size=32,
        epochs=2,
    ),
    "sgd": Recipe(
        optimizer="sgd", schedule="step", step_epochs=1, batch_size=50, epochs=2
    ),
    "ranger21": Recipe(optimizer="ranger21", batch_size=32, epochs=2),
}


class Stop(keras.callbacks.Callback):
    """Ends a training at a step as a signal does: what follows is lost."""

    class Stopped(Exception):
        pass

    def __init__(self, checkpoint, step):
        super().__init__()
        self.checkpoint, self.step = checkpoint, step

    def on_train_batch_end(self, batch, logs=None):
        if self.step is not None and batch + 1 >= self.step:
            self.checkpoint.progress = self.checkpoint.engine.epoch_progress()
            self.checkpoint.steps_done = batch + 1
            self.checkpoint._write()
            raise self.Stopped


@pytest.fixture
def train(garments, tmp_path):
    """Return a function that trains, or goes on, and returns all that a run has."""

    def train(model, recipe, precision="float32", calls=None, stop=None, name="run"):
        compile_step = precision == "compiled"
        policy = "float32" if compile_step else precision
        split = split_dataset(garments, 3)
        model = build_network(model, recipe, policy, 3, {})
        steps = -(-len(split.train) // recipe.batch_size)
        engine = create_engine(
            model,
            build_optimizer(recipe, steps),
            build_loss(recipe),
            l2=recipe.l2,
            augmentation=build_augmentation(recipe),
            compile_step=compile_step,
        )
        engine.steps_per_call = calls
        folder = tmp_path / name
        write_json(folder / "config.json", {})
        per_class = PerClassMetrics(
            garments.class_names, folder / "per_class.csv", metric=engine.confusion
        )
        log = RunLog(folder, per_class)
        checkpoint = Checkpoint(engine, log, folder / "checkpoint.npz", recipe.keep)
        if checkpoint.exists():
            checkpoint.restore()
        callbacks = [log, per_class, checkpoint, Stop(checkpoint, stop)]
        settings = {"epochs": recipe.epochs, "batch_size": recipe.batch_size, "seed": 3}
        settings |= {"initial_epoch": checkpoint.epochs_done}
        settings |= {"progress": checkpoint.progress, "callbacks": callbacks}
        try:
            engine.fit(split.train, split.validation, **settings)
        except Stop.Stopped:
            return None
        history = [
            {k: v for k, v in row.items() if not k.startswith(("seconds", "examples"))}
            for row in log.history
        ]
        variables = [np.array(v.numpy()) for v in checkpoint._variables()]
        kept = checkpoint.kept_weights
        return [*variables, *kept], history, log.per_class

    return train


def assert_equal(one, other):
    assert one[1:] == other[1:]
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(a, b)


def check(train, model, recipe, precision):
    whole = train(model, recipe, precision, calls=1)
    assert any(np.ptp(array) for array in whole[0])
    for calls in CALLS[1:]:
        again = train(model, recipe, precision, calls=calls, name=f"calls-{calls}")
        assert_equal(again, whole)
    for number, stop in enumerate(CALLS[:2]):
        # Stopped with calls of one size, resumed with those of another.
        name = f"stopped-{stop}"
        train(model, recipe, precision, calls=stop, stop=stop, name=name)
        resumed = train(model, recipe, precision, calls=CALLS[-number], name=name)
        assert_equal(resumed, whole)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_run_however_it_is_cut(train, precision):
    check(train, "mlp", RECIPES["adamw"], precision)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("model", ["mynet", "fashionnet", "lenet", "cnn"])
def test_the_same_run_of_every_kind(train, model, recipe, precision):
    check(train, model, RECIPES[recipe], precision)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("model", ["mynet", "cnn", "tinyvgg_bn"])
def test_the_same_run_compiled(train, model, recipe):
    check(train, model, RECIPES[recipe], "compiled")
