"""One run of a speed record by this project's engine."""

from collections.abc import Callable

import keras
import numpy as np

from fmkeras.benchmark.speedrun.goals import Goal
from fmkeras.datasets.splits import Subset
from fmkeras.engines import Engine, create_engine
from fmkeras.evaluation.views import average_over_views
from fmkeras.training.auto import strict_precision
from fmkeras.training.builders import (
    build_augmentation,
    build_gradient_rules,
    build_loss,
    build_network,
    build_optimizer,
)


class _EpochLog(keras.callbacks.Callback):
    """Tells what each epoch came to."""

    def __init__(self, log: Callable[[dict], None]) -> None:
        super().__init__()
        self.log = log

    def on_epoch_end(self, epoch, logs=None):
        self.log({name: logs[name] for name in ("loss", "accuracy", "seconds")})


class OurRun:
    """Builds and warms up on creation; `run` is what the clock measures."""

    def __init__(self, goal: Goal, train: Subset, test: Subset, seed: int) -> None:
        recipe = goal.recipe
        self.goal, self.train, self.test, self.seed = goal, train, test, seed
        precision = strict_precision(recipe.precision)
        model = build_network(goal.model, recipe, precision, seed, goal.options)
        steps = -(-len(train) // recipe.batch_size)
        self.engine = create_engine(
            model,
            build_optimizer(recipe, steps, model),
            build_loss(recipe),
            l2=recipe.l2,
            augmentation=build_augmentation(recipe),
            compile_step=recipe.compile == "yes",
            gradient_rules=build_gradient_rules(recipe),
        )
        warm_up(self.engine, train, test, recipe.batch_size)

    def run(self, log: Callable[[dict], None]) -> int:
        """Train and evaluate; return how many test images are right."""
        self.engine.fit(
            self.train,
            epochs=self.goal.recipe.epochs,
            batch_size=self.goal.recipe.batch_size,
            seed=self.seed,
            swa_epochs=self.goal.recipe.swa_epochs,
            callbacks=[_EpochLog(log)],
        )
        self.engine.model.set_weights(self.engine.weights_to_keep())
        outputs = average_over_views(
            self.engine.predict, self.test.images, self.goal.views
        )
        return int((outputs.argmax(axis=1) == self.test.labels).sum())


def warm_up(engine: Engine, train: Subset, test: Subset, batch_size: int) -> None:
    """Take a step of each shape and predict, so that all is compiled; undo it.

    Weights, statistics and the optimizer's state are as before.
    """
    model, optimizer = engine.model, engine.optimizer
    variables = [
        *model.trainable_variables,
        *model.non_trainable_variables,
        *optimizer.variables,
    ]
    before = [np.array(keras.ops.convert_to_numpy(v.value)) for v in variables]
    # A whole batch, and one as short as the last.
    count = min(batch_size + len(train) % batch_size, len(train))
    engine.fit(
        Subset(train.images[:count], train.labels[:count]),
        epochs=1,
        batch_size=batch_size,
    )
    engine.predict(test.images[: 2 * engine.evaluation_batch])
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
