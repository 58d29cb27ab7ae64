"""The recipes that other projects published, by name.

They follow the sources' code, which differs from their texts in places. Faults that
decide a figure are recipes of their own; docs/results.md tells of both.
"""

import dataclasses

from fmkeras.recipes.recipe import Recipe

# All sources train in PyTorch: its initial weights, its Adam, float32. None chooses an
# epoch: the figures are those of the last one.
_SOURCE = Recipe(init="torch", keep="last", data_split="full", precision="float32")

# FashionCNN: nine networks, ranger21 0.1.0 with its faults.
_FASHION_CNN = dataclasses.replace(
    _SOURCE,
    name="fashioncnn",
    epochs=100,
    batch_size=128,
    optimizer="ranger21",
    mode="reference",
    learning_rate=0.01,
    weight_decay=1e-4,
    test_each_epoch=True,
)

# FashionNet: the notebook whose run gave the figures.
_FASHION_NET = dataclasses.replace(
    _SOURCE,
    name="fashionnet",
    epochs=60,
    batch_size=1024,
    shuffle=False,
    optimizer="adamw",
    learning_rate=3e-3,
    weight_decay=1e-5,
    amsgrad=True,
    schedule="step",
    step_epochs=25,
    step_factor=0.1,
    rotation=20.0,
    flip=True,
    flip_share=0.7,
    preprocessing="standardise",
    data_split="fashionnet",
)

# FashionMNIST-PyTorch: the best points of its two grids, which are spaces of
# `make tune`, and the training that followed them.
_BATCH_GRID = dataclasses.replace(
    _SOURCE, name="batch-lr-grid", epochs=10, batch_size=10
)
_STANDARDISE_GRID = dataclasses.replace(
    _SOURCE,
    name="standardise-grid",
    epochs=20,
    batch_size=20,
    preprocessing="standardise",
)

# Deep Learning Models towards Fashion-MNIST: 50,000 training images.
_DEEP_LEARNING = dataclasses.replace(
    _SOURCE, preprocessing="symmetric", data_split="random"
)
_LOGISTIC = dataclasses.replace(
    _DEEP_LEARNING, name="logistic", epochs=100, batch_size=32, l2=1e-4
)
_MLP = dataclasses.replace(
    _DEEP_LEARNING, name="mlp", epochs=300, batch_size=64, learning_rate=1e-4, l2=1e-5
)

# Tiny VGG study: of its second version no code is left; it gets the third's recipe.
_TINY_VGG = dataclasses.replace(
    _SOURCE,
    name="tinyvgg",
    epochs=10,
    batch_size=32,
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.0,
    test_each_epoch=True,
)

# Faults of the sources that decide a figure, as recipes of their own.
FAULTS = {
    recipe.name: recipe
    for recipe in (
        # Training mode was switched on once, before the first epoch.
        dataclasses.replace(_FASHION_NET, name="fashionnet-frozen", freeze_after=1),
        # A softmax stood before the cross-entropy when the figures were published.
        dataclasses.replace(_LOGISTIC, name="logistic-softmax", double_softmax=True),
        dataclasses.replace(_MLP, name="mlp-softmax", double_softmax=True),
    )
}
PUBLISHED = {
    recipe.name: recipe
    for recipe in (
        _FASHION_CNN,
        _FASHION_NET,
        # An earlier notebook of the same source.
        dataclasses.replace(
            _FASHION_NET, name="fashionnet-plain", rotation=0.0, flip=False
        ),
        _BATCH_GRID,
        _STANDARDISE_GRID,
        dataclasses.replace(_STANDARDISE_GRID, name="lenet-relu-final"),
        _LOGISTIC,
        _MLP,
        dataclasses.replace(_MLP, name="cnn"),
        _TINY_VGG,
        dataclasses.replace(
            _TINY_VGG, name="tinyvgg-linear", optimizer="adam", momentum=0.9
        ),
        *FAULTS.values(),
    )
}
