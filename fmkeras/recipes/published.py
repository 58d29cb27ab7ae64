"""The recipes that other projects published, by name."""

import dataclasses

from fmkeras.recipes.recipe import Recipe

# Where the sources are silent: PyTorch's default initial weights, and the weights of
# the last epoch, for they train on all 60,000 images and have none to choose by. They
# train in float32.
_SOURCE = Recipe(init="torch", keep="last", data_split="full", precision="float32")
_FASHIONNET = dataclasses.replace(
    _SOURCE,
    name="fashionnet",
    epochs=60,
    batch_size=1024,
    optimizer="adamw",
    learning_rate=3e-3,
    weight_decay=1e-5,
    amsgrad=True,
    schedule="step",
    step_epochs=25,
    step_factor=0.1,
    preprocessing="standardise",
    data_split="fashionnet",
)
_LONG = dataclasses.replace(
    _SOURCE, epochs=300, batch_size=64, learning_rate=1e-4, l2=1e-5
)
PUBLISHED = {
    recipe.name: recipe
    for recipe in (
        dataclasses.replace(
            _SOURCE,
            name="fashioncnn",
            epochs=100,
            batch_size=128,
            optimizer="ranger21",
            learning_rate=0.01,
            weight_decay=1e-4,
        ),
        _FASHIONNET,
        # A later notebook of the same source.
        dataclasses.replace(
            _FASHIONNET, name="fashionnet-augmented", rotation=20.0, flip=True
        ),
        # The best points of the two grids, as their source has them; the grids
        # themselves are spaces of `make tune`.
        dataclasses.replace(_SOURCE, name="batch-lr-grid", epochs=10, batch_size=10),
        dataclasses.replace(
            _SOURCE,
            name="standardise-grid",
            epochs=20,
            batch_size=20,
            preprocessing="standardise",
        ),
        dataclasses.replace(
            _SOURCE,
            name="lenet-relu-final",
            epochs=20,
            batch_size=20,
            preprocessing="standardise",
        ),
        dataclasses.replace(
            _SOURCE, name="logistic", epochs=100, batch_size=32, l2=1e-4
        ),
        dataclasses.replace(_LONG, name="mlp"),
        dataclasses.replace(_LONG, name="cnn"),
        # The source does not say whether SGD or Adam, nor the rate.
        dataclasses.replace(_SOURCE, name="tinyvgg", epochs=10, batch_size=32),
    )
}
