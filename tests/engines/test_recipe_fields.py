"""Gradient rules, averaged weights and teachers, inside the compiled step."""

import keras
import numpy as np
import pytest

from fmkeras.datasets.splits import Subset, epoch_order
from fmkeras.engines import create_engine
from fmkeras.engines.distillation import Teacher
from fmkeras.engines.gradient_rules import GradientRules
from fmkeras.engines.gradients import gradient_function
from fmkeras.models.initializers import initialize
from fmkeras.recipes import Recipe
from fmkeras.training.builders import build_loss, build_optimizer

pytestmark = pytest.mark.every_backend

COUNT = 40
RATE = 0.05
SGD = Recipe(optimizer="sgd", momentum=0.0, learning_rate=RATE)


def make_model(seed=0):
    layers = keras.layers
    pixels = keras.Input((28, 28, 1))
    x = layers.Rescaling(1 / 255)(pixels)
    x = layers.Conv2D(4, 3, strides=3, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.DepthwiseConv2D(3, use_bias=False)(x)
    x = layers.Flatten()(x)
    model = keras.Model(pixels, layers.Dense(10)(x))
    initialize(model, "keras", seed=seed)
    return model


@pytest.fixture(scope="module")
def part():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (COUNT, 28, 28)).astype(np.uint8)
    return Subset(images, generator.integers(0, 10, COUNT))


def step_of(part, model, **changes):
    """Return by how much one step of plain SGD over all images moved each weight."""
    before = [v.numpy().copy() for v in model.trainable_variables]
    engine = create_engine(model, build_optimizer(SGD, 1), build_loss(SGD), **changes)
    history = engine.fit(part, epochs=1, batch_size=COUNT)
    after = [v.numpy() for v in model.trainable_variables]
    moved = [(b - a) / RATE for a, b in zip(after, before, strict=True)]
    return moved, history.history["loss"][0]


@pytest.mark.parametrize("compile_step", [False, True])
def test_gradients_are_centralised_and_offsets_move_faster(part, compile_step):
    pixels = part.images[..., None].astype(np.float32)
    gradients = gradient_function(make_model())(pixels, part.labels).gradients
    model = make_model()
    weights = [v.numpy().copy() for v in model.trainable_variables]
    rules = GradientRules(centralise=True, norm_bias_rate=8.0)
    moved, _ = step_of(
        part, model, l2=0.1, gradient_rules=rules, compile_step=compile_step
    )
    for variable, weight, gradient, step in zip(
        model.trainable_variables, weights, gradients, moved, strict=True
    ):
        if variable.path.endswith("beta"):
            gradient = 8 * gradient
        elif gradient.shape == (3, 3, 4, 1):  # depthwise: an output a channel
            gradient = gradient - gradient.mean(axis=(0, 1), keepdims=True)
        elif gradient.ndim > 1:
            axes = tuple(range(gradient.ndim - 1))
            gradient = gradient - gradient.mean(axis=axes, keepdims=True)
        # The L2 term is neither centralised nor scaled.
        np.testing.assert_allclose(
            step, gradient + 0.1 * weight, rtol=1e-3, atol=2e-4, err_msg=variable.path
        )


def test_the_mean_of_the_last_weights_is_measured_and_kept(part):
    ends = []

    class Ends(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            ends.append([np.array(w) for w in self.model.get_weights()])

    model = make_model()
    engine = create_engine(model, build_optimizer(SGD, 1), build_loss(SGD))
    engine.fit(part, part, epochs=5, batch_size=10, swa_epochs=3, callbacks=[Ends()])
    means = [np.mean(three, axis=0) for three in zip(*ends[2:], strict=True)]
    for mean, kept in zip(means, engine.weights_to_keep(), strict=True):
        np.testing.assert_allclose(kept, mean, rtol=1e-5, atol=1e-6)
    # Training went on from its own weights, and has them still.
    for own, weight in zip(ends[-1], model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, weight)
    model.set_weights(means)
    fresh = create_engine(model, None, build_loss(SGD)).evaluate(part)
    assert engine.totals["validation"].loss == pytest.approx(fresh.loss, rel=1e-5)


@pytest.mark.parametrize("gives_logits", [True, False])
def test_a_teacher_at_temperature_one_is_a_soft_label(part, gives_logits):
    teacher = make_model(seed=9)
    outputs = teacher.outputs[0]
    softmax = keras.layers.Softmax()(outputs)
    probabilities = keras.Model(teacher.inputs[0], softmax)
    pixels = part.images[..., None].astype(np.float32)
    soft = probabilities.predict(pixels, verbose=0)
    given = teacher if gives_logits else probabilities
    moved, _ = step_of(
        part, make_model(), teacher=Teacher(given, 1.0, 0.7, gives_logits)
    )
    before = [w.copy() for w in given.get_weights()]
    # By hand: cross-entropy with the mixture has the same gradient.
    other = make_model()
    start = [v.numpy().copy() for v in other.trainable_variables]
    other.compile(keras.optimizers.SGD(RATE), build_loss(SGD))
    order = epoch_order(COUNT, 0, 0)
    targets = 0.3 * np.eye(10)[part.labels] + 0.7 * soft
    other.train_on_batch(pixels[order], targets[order])
    for variable, first, step in zip(
        other.trainable_variables, start, moved, strict=True
    ):
        by_hand = (first - variable.numpy()) / RATE
        np.testing.assert_allclose(step, by_hand, rtol=1e-3, atol=2e-4)
    for one, two in zip(before, given.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_loss_of_distillation_is_the_published_one():
    from scipy.special import log_softmax

    generator = np.random.default_rng(0)
    logits, outputs = generator.normal(size=(2, 6, 10)).astype(np.float32) * 3
    teacher = Teacher(make_model(), temperature=4.0, share=0.9)
    loss = float(keras.ops.convert_to_numpy(teacher.loss(2.0, logits, outputs)))
    wanted, ours = log_softmax(outputs / 4, axis=1), log_softmax(logits / 4, axis=1)
    divergence = (np.exp(wanted) * (wanted - ours)).sum(axis=1).mean()
    assert loss == pytest.approx(0.1 * 2.0 + 0.9 * 16 * divergence, rel=1e-5)


def test_an_augmented_batch_is_what_the_teacher_sees(part):
    """A teacher equal to the student has nothing to teach it, whatever the images."""
    from fmkeras.datasets.augmentation import Augmentation

    layers = keras.layers
    pixels = keras.Input((28, 28, 1))
    flat = layers.Flatten()(layers.Rescaling(1 / 255)(pixels))
    student = keras.Model(pixels, layers.Dense(10)(flat))
    initialize(student, "keras", seed=3)
    teacher = keras.models.clone_model(student)
    teacher.set_weights(student.get_weights())
    moved, loss = step_of(
        part,
        student,
        teacher=Teacher(teacher, 2.0, 1.0),
        augmentation=Augmentation(crop_padding=2, flip=True, cutmix=1.0),
    )
    assert loss == pytest.approx(0.0, abs=1e-5)
    for step in moved:
        np.testing.assert_allclose(step, 0, atol=1e-4)
