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
DEFAULTS: dict[str, dict] = {
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
