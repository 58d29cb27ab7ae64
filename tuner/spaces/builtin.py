"""The spaces that come with the project: two published grids and a wider space."""

from fmkeras.models import model_info
from fmkeras.recipes.recipe import Recipe
from tuner.spaces.space import Hyperparameter, Space

# FashionMNIST-PyTorch's study of lenet_relu: Adam, no schedule, and the weights of the
# last epoch. It ranks by running training accuracy, ours by 5,000 validation images.
_STUDY = {"init": "torch", "keep": "last"}
BATCH_LR_GRID = Space(
    "batch-lr-grid",
    (
        Hyperparameter(
            "batch_size", (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
        ),
        Hyperparameter("learning_rate", (0.01, 0.001, 0.0001, 0.00001)),
    ),
    Recipe(name="batch-lr-grid", epochs=10, **_STUDY),
)
STANDARDISE_GRID = Space(
    "standardise-grid",
    (
        Hyperparameter("batch_size", (10, 20, 50, 100)),
        Hyperparameter("learning_rate", (0.01, 0.001)),
        Hyperparameter("preprocessing", ("scale", "standardise")),
    ),
    Recipe(name="standardise-grid", epochs=20, **_STUDY),
)
NAMES = ("batch-lr-grid", "standardise-grid", "wide")


def built_in_space(name: str, model_name: str) -> Space | None:
    """Return one of `NAMES`, None for another name; `wide` depends on the network."""
    if name == "wide":
        return _wide(model_name)
    return {s.name: s for s in (BATCH_LR_GRID, STANDARDISE_GRID)}.get(name)


def _wide(model_name: str) -> Space:
    """How to optimise, to regularise and to augment, and the network's own options."""
    options = {
        "dropout": Hyperparameter("dropout", minimum=0.0, maximum=0.6),
        "hidden_units": Hyperparameter(
            "hidden_units",
            ((128,), (256, 128), (256, 128, 64), (512, 256), (512, 256, 128)),
        ),
    }
    return Space(
        "wide",
        (
            Hyperparameter("optimizer", ("adamw", "adam", "sgd")),
            Hyperparameter("learning_rate", minimum=3e-4, maximum=3e-2, sampling="log"),
            Hyperparameter("batch_size", (32, 64, 128, 256, 512)),
            Hyperparameter("schedule", ("cosine", "constant")),
            Hyperparameter(
                "weight_decay",
                minimum=1e-5,
                maximum=1e-1,
                sampling="log",
                when={"optimizer": ("adamw",)},
            ),
            Hyperparameter(
                "momentum", minimum=0.8, maximum=0.98, when={"optimizer": ("sgd",)}
            ),
            Hyperparameter("label_smoothing", (0.0, 0.05, 0.1, 0.2)),
            Hyperparameter("flip", (False, True)),
            Hyperparameter("crop_padding", (0, 1, 2, 4)),
            Hyperparameter("erasing", (0.0, 0.25, 0.5)),
            Hyperparameter("precision", ("float32", "bfloat16")),
            *(
                options[name]
                for name in model_info(model_name).options
                if name in options
            ),
        ),
    )
