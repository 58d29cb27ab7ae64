"""What is compared on validation images: shapes of networks, parts of recipes."""

from dataclasses import dataclass, field

from fmkeras.recipes import Recipe, find_recipe


@dataclass(frozen=True)
class Case:
    """One of the things compared: a network of some shape, and recipe changes."""

    model: str
    options: dict = field(default_factory=dict)
    changes: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A comparison.

    Attributes:
        question: what it answers, in one line.
        recipe: how all cases are trained, but for their own changes.
        cases: by their labels, in the order of the table.
    """

    question: str
    recipe: Recipe
    cases: dict[str, Case]


# Short, so that two cores do it in minutes a case: what holds for 10 epochs is looked
# at again with more before anything is published.
_SHORT = Recipe(
    name="study",
    epochs=10,
    batch_size=128,
    optimizer="sgd",
    learning_rate=0.1,
    schedule="cosine",
    warmup_epochs=1.0,
    l2=5e-4,
    crop_padding=2,
    flip=True,
    erasing=0.5,
    preprocessing="standardise",
    keep="last",
    precision="bfloat16-if-native",
    compile="no",
)
_POOL_100K = {"stem": 24, "widths": (28, 44, 60)}
_POOL_1M = {"stem": 32, "widths": (64, 144, 192)}
_POOL_10M = {"stem": 64, "widths": (176, 480, 640)}
_MUON = {"optimizer": "muon", "learning_rate": 0.05, "l2": 0.0}
# What the recipes of both networks are compared with.
_PARTS = {
    "as it is": {},
    "without erasing": {"erasing": 0.0},
    "cutout 8 for erasing": {"erasing": 0.0, "cutout": 8},
    "without mirror images": {"flip": False},
    "without moves": {"crop_padding": 0},
    "without decay": {"l2": 0.0, "weight_decay": 0.0},
    "without warm-up": {"warmup_epochs": 0.0},
    "smoothing 0.1": {"label_smoothing": 0.1},
    "moving average": {"ema": 0.995},
    "mixup 0.2": {"mixup": 0.2},
    "cutmix 1": {"cutmix": 1.0},
    "centralised gradients": {"centralise_gradients": True},
    "norm offsets 64 times as fast": {"norm_bias_rate": 64.0},
    "linear decay": {"schedule": "linear"},
}


def _cases(model: str, options: dict, changes: dict[str, dict]) -> dict[str, Case]:
    return {label: Case(model, options, change) for label, change in changes.items()}


# Few epochs leave little to overfit, so that less is changed in the images.
_FAST = _SHORT.replace(
    name="speedrun", epochs=6, warmup_epochs=0.5, schedule="linear", erasing=0.0
)
_POOL_360K = {"stem": 24, "widths": (48, 96, 112)}
STUDIES = {
    "shapes-100k": Study(
        "Which shape of at most 100,000 weights learns most in ten epochs?",
        _SHORT,
        {
            "pool, 2 convolutions": Case("conv_pool", _POOL_100K),
            "pool, 3 convolutions": Case(
                "conv_pool",
                {"stem": 16, "widths": (24, 32, 48), "convs_per_stage": 3},
            ),
            "residual, 8 layers": Case("preact_resnet", {"depth": 8, "width": 18}),
            "residual, 14 layers": Case("preact_resnet", {"depth": 14, "width": 12}),
            "residual, 20 layers": Case("preact_resnet", {"depth": 20, "width": 9}),
            "separable": Case(
                "separable",
                {"widths": (16, 32, 56), "blocks_per_stage": 2, "expansion": 4},
            ),
        },
    ),
    "shapes-1m": Study(
        "Which shape of at most 1,000,000 weights learns most in ten epochs?",
        _SHORT,
        {
            "pool, 2 convolutions": Case("conv_pool", _POOL_1M),
            "pool, 3 convolutions": Case(
                "conv_pool",
                {"stem": 32, "widths": (64, 112, 152), "convs_per_stage": 3},
            ),
            "residual, 14 layers": Case("preact_resnet", {"depth": 14, "width": 38}),
            "residual, 20 layers": Case("preact_resnet", {"depth": 20, "width": 30}),
            "residual, 26 layers": Case("preact_resnet", {"depth": 26, "width": 26}),
            "separable": Case(
                "separable",
                {"widths": (48, 92, 144), "blocks_per_stage": 3, "expansion": 4},
            ),
        },
    ),
    "shapes-10m": Study(
        "Which shape of at most 10,000,000 weights learns most in ten epochs?",
        _SHORT,
        {
            "pool, 2 convolutions": Case("conv_pool", _POOL_10M),
            "pool, 3 convolutions": Case(
                "conv_pool",
                {"stem": 64, "widths": (128, 384, 512), "convs_per_stage": 3},
            ),
            "residual, 14 layers": Case("preact_resnet", {"depth": 14, "width": 120}),
            "residual, 20 layers": Case("preact_resnet", {"depth": 20, "width": 96}),
            "residual, 26 layers": Case("preact_resnet", {"depth": 26, "width": 82}),
            "separable": Case(
                "separable",
                {"widths": (160, 304, 464), "blocks_per_stage": 3, "expansion": 4},
            ),
        },
    ),
    "parts-100k": Study(
        "What does each part add to the recipe of the small network?",
        _SHORT,
        _cases(
            "conv_pool",
            _POOL_100K,
            _PARTS
            | {
                "half the rate": {"learning_rate": 0.05},
                "muon": _MUON,
                "muon, decay 0.02": _MUON | {"weight_decay": 0.02},
                "muon, half the rate": _MUON | {"learning_rate": 0.025},
            },
        ),
    ),
    "parts-1m": Study(
        "What does each part add to the recipe of the network of a million weights?",
        # What the study before found.
        _SHORT.replace(weight_decay=0.02, **_MUON),
        _cases(
            "fmk_1m",
            {},
            _PARTS
            | {
                "half the rate": {"learning_rate": 0.025},
                "sgd for muon": {
                    "optimizer": "sgd",
                    "learning_rate": 0.1,
                    "l2": 5e-4,
                    "weight_decay": 0.0,
                },
            },
        ),
    ),
    "speedrun-length": Study(
        "Which network, for how many epochs, reaches an accuracy soonest?",
        _FAST,
        {
            f"{label}, {epochs} epochs": Case(
                "conv_pool", options, changes | {"epochs": epochs}
            )
            for label, options, changes, lengths in (
                ("100k", _POOL_100K, {}, (4, 6, 8, 12)),
                ("360k", _POOL_360K, {}, (4, 6, 8, 12)),
                ("900k", _POOL_1M, {}, (6, 10, 16)),
                ("100k by muon", _POOL_100K, _MUON, (4, 6, 8)),
                ("360k by muon", _POOL_360K, _MUON, (4, 6, 7, 8, 10)),
                ("900k by muon", _POOL_1M, _MUON, (6, 10)),
            )
            for epochs in lengths
        },
    ),
    "speedrun-parts": Study(
        "What helps a network that is trained for six epochs?",
        _FAST,
        _cases(
            "conv_pool",
            _POOL_100K,
            {
                "as it is": {},
                "cosine": {"schedule": "cosine"},
                "erasing a quarter": {"erasing": 0.25},
                "without moves": {"crop_padding": 0},
                "moves by 1": {"crop_padding": 1},
                "smoothing 0.1": {"label_smoothing": 0.1},
                "twice the rate": {"learning_rate": 0.2},
                "half the rate": {"learning_rate": 0.05},
                "batches of 256": {"batch_size": 256, "learning_rate": 0.2},
                "norm offsets 64 times as fast": {"norm_bias_rate": 64.0},
                "moving average": {"ema": 0.995},
                "muon": _MUON,
                "muon, twice the rate": _MUON | {"learning_rate": 0.1},
                "muon, half the rate": _MUON | {"learning_rate": 0.025},
            },
        ),
    ),
}
# An epoch of these takes minutes: what learns faster is worth most here.
STUDIES["large-optimizers"] = Study(
    "Which optimizer learns more in three epochs of a large network?",
    find_recipe("default", "resnet18").replace(
        name="large", epochs=3, keep="last", compile="no"
    ),
    {
        f"{name}, {label}": Case(name, {}, changes)
        for name in ("alexnet_tiny", "densenet", "resnet18", "googlenet", "nin")
        for label, changes in {
            "adamw": {},
            "muon": _MUON | {"weight_decay": 0.0},
            "muon, a fifth of the rate": _MUON
            | {"weight_decay": 0.0, "learning_rate": 0.01},
        }.items()
    },
)
# What may be added to a default recipe, of whose networks 28 pixels are enough: the
# study `default-NAME` of each.
ADDITIONS = {
    "as it is": {},
    "erasing a quarter": {"erasing": 0.25},
    "smoothing 0.1": {"label_smoothing": 0.1},
    "moving average": {"ema": 0.995},
    "all three": {"erasing": 0.25, "label_smoothing": 0.1, "ema": 0.995},
    "muon": _MUON | {"weight_decay": 0.02},
    "erasing and muon": _MUON | {"weight_decay": 0.02, "erasing": 0.25},
}
SMALL = (
    "logistic_regression",
    "linear",
    "mlp",
    "lenet",
    "lenet_relu",
    "tinyvgg",
    "tinyvgg_3",
    "fashionnet",
    "cnn",
    "mynet",
)
# The one network whose accuracy was found equal in both precisions over three seeds
# (docs/results.md); the others as their recipes have it.
_PRECISION = {"mynet": {"precision": "bfloat16-if-native"}}
STUDIES |= {
    f"default-{name}": Study(
        f"What helps the default recipe of {name}?",
        find_recipe("default", name).replace(**_PRECISION.get(name, {})),
        {label: Case(name, {}, changes) for label, changes in ADDITIONS.items()},
    )
    for name in SMALL
}
RATES = (2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2)
STUDIES |= {
    f"rates-{name}": Study(
        f"Which learning rate suits the default recipe of {name}?",
        STUDIES[f"default-{name}"].recipe,
        {f"{rate:g}": Case(name, {}, {"learning_rate": rate}) for rate in RATES},
    )
    for name in SMALL
}
