"""From a recipe to Keras's model, optimizer and loss: one way, to train and to tune."""

import keras
from keras import ops

from fmkeras.datasets.augmentation import Augmentation
from fmkeras.labels import NUM_CLASSES
from fmkeras.models import build_model
from fmkeras.optimizers import Ranger21, TorchAdam, TorchRMSprop
from fmkeras.optimizers.warm_up import WarmUp
from fmkeras.recipes import Recipe


def build_network(
    model_name: str,
    recipe: Recipe,
    precision: str,
    seed: int,
    model_options: dict,
    num_classes: int = NUM_CLASSES,
) -> keras.Model:
    """Build a network as a recipe has it; `precision` is float32 or bfloat16.

    `model_options` are further arguments of `build_model`.
    """
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


def build_optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Return the optimizer of a recipe, its learning rate scheduled over the run."""
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
            rate, momentum=recipe.momentum, nesterov=nesterov, **common
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
    """Return what a recipe does to the training images."""
    return Augmentation(
        recipe.crop_padding,
        recipe.flip,
        recipe.rotation,
        recipe.erasing,
        recipe.flip_share,
    )


def _build_schedule(recipe: Recipe, steps_per_epoch: int):
    schedules = keras.optimizers.schedules
    rate = recipe.learning_rate
    steps = recipe.epochs * steps_per_epoch
    if recipe.schedule == "cosine":
        schedule = schedules.CosineDecay(rate, steps)
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
    return WarmUp(schedule, round(recipe.warmup_epochs * steps_per_epoch))
