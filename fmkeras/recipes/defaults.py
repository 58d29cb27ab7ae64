"""This project's own recipe of each network, chosen on validation images."""

from fmkeras.recipes.recipe import Recipe

# This project's own, and where single networks depart from it.
DEFAULT_RECIPE = Recipe(
    name="default",
    epochs=20,
    batch_size=128,
    optimizer="adamw",
    learning_rate=2e-3,
    schedule="cosine",
    warmup_epochs=1.0,
    weight_decay=1e-2,
    preprocessing="standardise",
)
# Networks of this project: what the shapes were compared with (`make study`), on all
# training images.
_OWN = {
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 0.0,
    "l2": 5e-4,
    "crop_padding": 2,
    "flip": True,
    "erasing": 0.5,
    "data_split": "full",
    "keep": "last",
    "precision": "bfloat16",
    "compile": "no",
}
# The networks that see 96 or 224 pixels, and the largest one: enough epochs for the
# rate to fall, few enough for a night on two cores. Not compared with others yet.
_LARGE = {
    "epochs": 15,
    "crop_padding": 2,
    "flip": True,
    "erasing": 0.25,
    "precision": "bfloat16",
}
DEFAULTS: dict[str, dict] = {
    **dict.fromkeys(
        (
            "alexnet",
            "alexnet_tiny",
            "densenet",
            "googlenet",
            "nin",
            "resnet18",
            "vgg11",
        ),
        _LARGE,
    ),
    # 40 epochs are within twenty minutes on two cores that do nothing else.
    "fmk_100k": _OWN | {"epochs": 40},
    "mynet": {"epochs": 50, "flip": True, "crop_padding": 1},
    # Sigmoids learn slowly: they want a high rate and many epochs.
    "lenet": {"epochs": 40, "learning_rate": 8e-3, "flip": True, "crop_padding": 1},
    "fashionnet": {
        "epochs": 40,
        "learning_rate": 3e-3,
        "flip": True,
        "crop_padding": 1,
    },
    "lenet_relu": {
        "epochs": 40,
        "learning_rate": 4e-3,
        "flip": True,
        "crop_padding": 1,
    },
    "mlp": {"weight_decay": 0.1},
    "cnn": {"epochs": 40, "flip": True, "crop_padding": 1},
}
