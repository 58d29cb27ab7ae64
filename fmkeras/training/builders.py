"""Build the model, optimizer and loss of a recipe, for training and tuning alike."""

import re
from dataclasses import fields

import keras
import numpy as np
from keras import ops

from fmkeras.datasets.augmentation import Augmentation
from fmkeras.engines.gradient_rules import GradientRules, depthwise_kernels
from fmkeras.labels import NUM_CLASSES
from fmkeras.models import build_model
from fmkeras.optimizers import Muon, Ranger21, TorchAdam, TorchRMSprop
from fmkeras.optimizers.linear_decay import LinearDecay
from fmkeras.optimizers.warm_up import WarmUp
from fmkeras.recipes import Recipe
from fmkeras.training.start import is_model_file, network_of_file


def build_network(
    model_name: str,
    recipe: Recipe,
    precision: str,
    seed: int,
    model_options: dict,
    num_classes: int = NUM_CLASSES,
) -> keras.Model:
    """Return the model of a recipe; `precision` is float32 or bfloat16.

    `model_options` are further arguments of `build_model`. A `.keras` file in place
    of a name gives its architecture, with new weights.
    """
    if is_model_file(model_name):
        return network_of_file(model_name, recipe.init, precision, seed, num_classes)
    before = keras.config.dtype_policy()
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision]
    keras.config.set_dtype_policy(policy)
    try:
        return build_model(
            model_name,
            num_classes,
            preprocessing=recipe.preprocessing,
            init=recipe.init,
            seed=seed,
            **model_options,
        )
    finally:
        keras.config.set_dtype_policy(before)


def build_optimizer(
    recipe: Recipe, steps_per_epoch: int, model: keras.Model | None = None
) -> keras.optimizers.Optimizer:
    """Return the optimizer of a recipe, its learning rate scheduled over the run.

    Muon asks which kernels of `model` are no matrices, or its last; without one it goes
    by their names.
    """
    optimizers = keras.optimizers
    common = {"global_clipnorm": recipe.clip_norm} if recipe.clip_norm else {}
    if recipe.ema:
        common |= {"use_ema": True, "ema_momentum": recipe.ema}
    if recipe.optimizer == "ranger21":
        return Ranger21(
            recipe.learning_rate,
            total_steps=recipe.epochs * steps_per_epoch,
            mode=recipe.mode,
            weight_decay=recipe.weight_decay,
            **common,
        )
    rate = _build_schedule(recipe, steps_per_epoch)
    if recipe.optimizer == "sgd":
        nesterov = recipe.momentum > 0
        return optimizers.SGD(
            rate,
            momentum=recipe.momentum,
            nesterov=nesterov,
            weight_decay=recipe.weight_decay or None,
            **common,
        )
    if recipe.optimizer == "muon":
        if model is not None:
            common["exclude"] = _other_weights(model)
        return Muon(
            rate,
            momentum=recipe.momentum,
            others_rate=recipe.muon_others_rate,
            weight_decay=recipe.weight_decay or None,
            **common,
        )
    if recipe.optimizer == "rmsprop":
        return TorchRMSprop(rate, **common)
    return TorchAdam(
        rate, amsgrad=recipe.amsgrad, weight_decay=recipe.weight_decay, **common
    )


class DoubleSoftmax(keras.losses.CategoricalCrossentropy):
    """Cross-entropy of one-hot labels with the softmax of a softmax of the logits.

    Its gradient fades where a class is near certain: the loss cannot fall under 1.46
    for ten classes.
    """

    def call(self, y_true, y_pred):
        return super().call(y_true, ops.softmax(y_pred, axis=-1))


def build_loss(recipe: Recipe) -> keras.losses.Loss:
    """Return cross-entropy of one-hot labels (n, classes) and logits (n, classes)."""
    kind = keras.losses.CategoricalCrossentropy
    if recipe.double_softmax:
        kind = DoubleSoftmax
    return kind(from_logits=True, label_smoothing=recipe.label_smoothing)


def build_augmentation(recipe: Recipe) -> Augmentation:
    """Return the augmentation of a recipe."""
    return Augmentation(
        **{field.name: getattr(recipe, field.name) for field in fields(Augmentation)}
    )


def build_gradient_rules(recipe: Recipe) -> GradientRules:
    """Return what a recipe does to the gradients, its L2 term apart."""
    return GradientRules(recipe.centralise_gradients, recipe.norm_bias_rate)


def build_class_weights(
    recipe: Recipe, labels: np.ndarray, num_classes: int
) -> np.ndarray | None:
    """Return the factor of each class in the loss; None where all weigh the same.

    Balanced is as scikit-learn has it: images / (classes * images of the class), so
    that each class weighs the same in all and the mean factor of the images is 1.
    """
    if recipe.class_weights == "none":
        return None
    counts = np.bincount(labels, minlength=num_classes)
    # A class without images has no loss to weigh.
    return len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))


def _other_weights(model: keras.Model) -> str:
    """Return a pattern of the paths of the kernels that muon leaves to SGD."""
    kernels = [v for v in model.trainable_variables if len(v.shape) > 1]
    others = [*depthwise_kernels(model), *kernels[-1:]]
    return "|".join(f"^{re.escape(kernel.path)}$" for kernel in others)


def _build_schedule(recipe: Recipe, steps_per_epoch: int):
    schedules = keras.optimizers.schedules
    rate = recipe.learning_rate
    steps = recipe.epochs * steps_per_epoch
    if recipe.schedule == "cosine":
        schedule = schedules.CosineDecay(rate, steps)
    elif recipe.schedule == "linear":
        schedule = LinearDecay(rate, steps)
    elif recipe.schedule == "step":
        schedule = schedules.ExponentialDecay(
            rate,
            recipe.step_epochs * steps_per_epoch,
            recipe.step_factor,
            staircase=True,
        )
    elif recipe.warmup_epochs:
        schedule = schedules.ExponentialDecay(rate, steps, 1.0)
    else:
        return rate
    if not recipe.warmup_epochs:
        return schedule
    return WarmUp(schedule, recipe.warmup_steps(steps_per_epoch))
