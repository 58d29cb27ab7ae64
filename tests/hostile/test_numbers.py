"""Losses that are no numbers and memory that is too small end a training in a line."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from fmkeras.datasets.splits import Subset
from fmkeras.engines import create_engine
from fmkeras.engines.divergence import gradient_norm
from fmkeras.engines.memory import batch_bytes, check_batch, free_memory
from fmkeras.errors import Diverged, OutOfMemory, UserError, is_out_of_memory
from fmkeras.models import build_model
from fmkeras.recipes import Recipe
from fmkeras.training.builders import build_augmentation, build_loss, build_optimizer

ROOT = Path(__file__).parents[2]
BATCH, COUNT = 16, 200


@pytest.fixture(scope="module")
def part():
    generator = np.random.default_rng(3)
    images = generator.integers(0, 256, (COUNT, 28, 28), np.uint8)
    return Subset(images, generator.integers(0, 10, COUNT))


def engine_of(steps_per_call=None, name="logistic_regression", **changes):
    recipe = Recipe(**({"epochs": 3, "batch_size": BATCH} | changes))
    engine = create_engine(
        build_model(name, seed=1),
        build_optimizer(recipe, -(-COUNT // BATCH)),
        build_loss(recipe),
        augmentation=build_augmentation(recipe),
    )
    engine.steps_per_call = steps_per_call
    return engine


class SpoilWeights(keras.callbacks.Callback):
    """Makes a weight infinite after a step."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.step:
            weights = self.model.get_weights()
            weights[0][0, 0] = np.inf
            self.model.set_weights(weights)


def divergence(engine, part, callbacks=(), epochs=3):
    with pytest.raises(Diverged) as caught:
        engine.fit(part, part, epochs=epochs, batch_size=BATCH, callbacks=callbacks)
    assert caught.value.exit_code == 3 and "\n" not in str(caught.value)
    return str(caught.value)


PLACE = re.compile(
    r"loss (nan|inf) at step (\d+) of epoch (\d), learning rate ([\d.e+-]+), "
    r"gradient norm ([\d.e+-]+|inf|nan)( at the step before)?$"
)


@pytest.mark.every_backend
@pytest.mark.parametrize("changes", [{}, {"flip": True, "schedule": "cosine"}])
def test_the_first_bad_step_is_named_whatever_the_size_of_a_call(part, changes):
    settings = {"optimizer": "sgd", "learning_rate": 1e3, "momentum": 0.0} | changes
    found = {
        steps: divergence(engine_of(steps, "mlp", **settings), part)
        for steps in (1, 4, 100)
    }
    assert len(set(found.values())) == 1, found
    place = PLACE.search(found[1])
    assert place, found[1]
    step, norm = int(place[2]), float(place[5])
    assert step >= 3 and place[6] and norm > 1e3


def test_the_copies_of_the_state_cost_a_hundredth_at_most(part, monkeypatch):
    engine = engine_of(1)
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    own = engine.variables

    def variables():
        clock[0] += 0.5  # as a large model's do
        return own()

    monkeypatch.setattr(engine, "variables", variables)
    places = []
    for epoch in range(200):
        engine.recent.keep_if_due(engine, epoch, 0)
        places.append(engine.recent.place[0])
        clock[0] += 1.0
    assert 3 <= len(set(places)) <= 5


@pytest.mark.every_backend
def test_the_gradient_norm_is_that_of_the_gradients(part):
    engine = engine_of()
    indices = np.arange(BATCH, dtype=np.int32)
    params = engine.augmentation.draw(COUNT, 0, 0)[:BATCH]
    found = engine._gradients_of(engine._to_device(part), indices, params)
    pixels = part.images[:BATCH].reshape(BATCH, -1) / 255
    kernel, bias = engine.model.get_weights()
    logits = pixels @ kernel + bias
    shares = np.exp(logits - logits.max(1, keepdims=True))
    error = shares / shares.sum(1, keepdims=True) - np.eye(10)[part.labels[:BATCH]]
    expected = [pixels.T @ error / BATCH, error.mean(0)]
    assert gradient_norm(found) == pytest.approx(gradient_norm(expected), rel=1e-4)


@pytest.mark.every_backend
def test_a_weight_that_is_no_number_after_the_last_step_is_noticed(part):
    """With and without validation images, in its own epoch, which ends no callback."""
    for validation in (part, None):
        ended = []

        class Ends(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None, ended=ended):
                ended.append(epoch)

        engine = engine_of(1)
        with pytest.raises(
            Diverged, match="After epoch 1 a weight or moving average is"
        ):
            engine.fit(
                part,
                validation,
                epochs=2,
                batch_size=BATCH,
                callbacks=[SpoilWeights(COUNT // BATCH), Ends()],
            )
        assert ended == []


@pytest.mark.every_backend
def test_an_average_that_is_no_number_is_noticed_in_its_epoch(part):
    class SpoilAverages(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            for variable in self.model.non_trainable_variables:
                if "moving_mean" in variable.path:
                    variable.assign(np.full(variable.shape, np.nan, np.float32))

    message = divergence(engine_of(1, "tinyvgg_bn"), part, [SpoilAverages()])
    assert "After epoch 1 a weight or moving average is not finite" in message
    assert "the weights of this epoch are not kept" in message


@pytest.mark.every_backend
def test_validation_alone_that_is_no_number_is_noticed_in_its_epoch(part, monkeypatch):
    engine = engine_of(1)
    own = engine._evaluate_steps

    def evaluate_steps(data, batches):
        losses, confusion = own(data, batches)
        return losses * np.nan, confusion

    monkeypatch.setattr(engine, "_evaluate_steps", evaluate_steps)
    message = divergence(engine, part)
    assert "After epoch 1 the validation loss is not finite" in message


class OutOfMemoryError(RuntimeError):
    """Called as torch's own."""


class ResourceExhaustedError(Exception):
    """Called as TensorFlow's own."""


class XlaRuntimeError(RuntimeError):
    """Called as JAX's own."""


NO_MEMORY = [
    MemoryError("Unable to allocate 8 GiB for an array"),
    OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't "
        "allocate memory: you tried to allocate 800000000 bytes. Error code 12"
    ),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    ResourceExhaustedError("OOM when allocating tensor with shape[4096,64,28,28]"),
    XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes."),
]


@pytest.mark.every_backend
@pytest.mark.parametrize("error", NO_MEMORY, ids=range(len(NO_MEMORY)))
def test_a_batch_that_does_not_fit_ends_with_one_that_does(part, error, monkeypatch):
    engine = engine_of()
    own = engine._train_steps

    def train_steps(data, batches, params):
        if batches.shape[1] > 5:
            raise error
        return own(data, batches, params)

    monkeypatch.setattr(engine, "_train_steps", train_steps)
    with pytest.raises(OutOfMemory, match="step of 16 images.* at most 4 ") as caught:
        engine.fit(part, part, epochs=1, batch_size=BATCH)
    assert caught.value.exit_code == 3 and "\n" not in str(caught.value)


def test_no_batch_may_fit(part, monkeypatch):
    engine = engine_of()

    def train_steps(*args):
        raise MemoryError

    monkeypatch.setattr(engine, "_train_steps", train_steps)
    with pytest.raises(OutOfMemory, match="not even one image fits"):
        engine.fit(part, part, epochs=1, batch_size=BATCH)


def test_other_errors_are_not_taken_for_it():
    for error in (
        ValueError("out of memory"),
        UserError("the teacher is out of memory"),
        KeyError("oom when allocating"),
        RuntimeError("shapes differ"),
    ):
        assert not is_out_of_memory(error)
    try:
        try:
            raise MemoryError
        except MemoryError as error:
            raise TypeError("while loading") from error
    except TypeError as error:
        assert is_out_of_memory(error)


def test_a_batch_beyond_all_memory_is_refused_before_it_is_tried():
    model = build_model("lenet")
    assert batch_bytes(model) >= 4 * (6 * 24 * 24 + 16 * 8 * 8)
    check_batch(model, 128)
    count = int(free_memory() // batch_bytes(model)) + 1_000
    with pytest.raises(OutOfMemory, match=r"at most \d+ \(make: BATCH="):
        check_batch(model, count)


LIMITED = """
import resource, sys
from fmkeras.__main__ import main
import keras, torch
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 400_000_000,) * 2)
sys.exit(main(sys.argv[1:]))
"""


def test_a_limit_of_memory_ends_a_command_in_a_line(tmp_path):
    words = ["train", "--model", "tinyvgg", "--data", "garments", "--backend", "torch"]
    words += ["--train-size", "8000", "--test-size", "100", "--batch-size", "4000"]
    words += ["--epochs", "1", "--compile", "no", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *words, "--runs", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 3, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("fmkeras:")]
    assert len(lines) == 1 and "memory" in lines[0], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "name, value",
    [
        ("warmup_epochs", 1e308),
        ("epochs", 10**30),
        ("batch_size", 10**18),
        ("step_epochs", 10**400),
        ("step_epochs", 10**5000),
        ("freeze_after", 10**30),
        ("learning_rate", float("nan")),
    ],
    ids=lambda value: value if isinstance(value, str) else "large",
)
def test_a_recipe_beyond_any_run_is_refused_in_a_line(name, value):
    with pytest.raises(UserError, match=f"Bad {name}") as caught:
        Recipe(**{name: value})
    assert len(str(caught.value)) < 200
