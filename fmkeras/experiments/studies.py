"""Comparisons on validation images: which shape, and what each part of a recipe adds.

A study trains cases that differ in one thing and keeps a record of each. The test
images are not read, so that what is chosen by a study can be measured on them later.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fmkeras.datasets import Dataset
from fmkeras.durations import Countdown
from fmkeras.errors import UserError
from fmkeras.files import write_json
from fmkeras.recipes import Recipe
from fmkeras.records import RECORDS


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
    precision="bfloat16",
    compile="no",
)
_POOL_100K = {"stem": 24, "widths": (28, 44, 60)}
_POOL_1M = {"stem": 32, "widths": (64, 144, 192)}
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
    "parts-100k": Study(
        "What does each part add to the recipe of the small network?",
        _SHORT,
        {
            "as it is": Case("conv_pool", _POOL_100K),
            "without erasing": Case("conv_pool", _POOL_100K, {"erasing": 0.0}),
            "cutout 8 for erasing": Case(
                "conv_pool", _POOL_100K, {"erasing": 0.0, "cutout": 8}
            ),
            "without mirror images": Case("conv_pool", _POOL_100K, {"flip": False}),
            "without moves": Case("conv_pool", _POOL_100K, {"crop_padding": 0}),
            "smoothing 0.1": Case("conv_pool", _POOL_100K, {"label_smoothing": 0.1}),
            "moving average": Case("conv_pool", _POOL_100K, {"ema": 0.995}),
            "mixup 0.2": Case("conv_pool", _POOL_100K, {"mixup": 0.2}),
            "cutmix 1": Case("conv_pool", _POOL_100K, {"cutmix": 1.0}),
            "centralised gradients": Case(
                "conv_pool", _POOL_100K, {"centralise_gradients": True}
            ),
            "norm offsets 64 times as fast": Case(
                "conv_pool", _POOL_100K, {"norm_bias_rate": 64.0}
            ),
            "linear decay": Case("conv_pool", _POOL_100K, {"schedule": "linear"}),
            "muon": Case(
                "conv_pool",
                _POOL_100K,
                {"optimizer": "muon", "learning_rate": 0.05, "l2": 0.0},
            ),
        },
    ),
}


def find_study(name: str) -> Study:
    """Return a study by its name; raise `UserError` where there is none."""
    if name not in STUDIES:
        raise UserError(
            f"Unknown study; expected one of: {', '.join(STUDIES)}. Received: {name!r}"
        )
    return STUDIES[name]


def run_study(
    name: str,
    dataset: Dataset,
    *,
    seeds: Iterable[int] = (0,),
    epochs: int | None = None,
    labels: Iterable[str] = (),
    records: Path = RECORDS,
    runs: Path = Path("runs"),
    log: Callable[[str], None] = print,
) -> list[dict]:
    """Train the cases of a study, each seed in turn; return their records.

    Each is kept as `records/study-NAME/LABEL-seedN.json`. Cases whose record is there
    are not trained again, interrupted ones go on. Fewer or more `epochs` than the
    study's have a folder of their own; `labels` takes some cases only. Raises
    `UserError` for an unknown name, and for a case that cannot be trained.
    """
    from fmkeras.training.progress import TimeEstimate
    from fmkeras.training.run import fit

    study = find_study(name)
    recipe = study.recipe
    folder = f"study-{name}"
    if epochs is not None and epochs != recipe.epochs:
        recipe = recipe.replace(epochs=epochs)
        folder += f"-{epochs}-epochs"
    cases = _chosen(study, labels)
    found = []
    seeds = list(seeds)
    countdown = Countdown(len(seeds) * len(cases), "cases", log)
    for seed in seeds:
        for label, case in cases.items():
            file = f"{_file_name(label)}-seed{seed}"
            record = records / folder / f"{file}.json"
            if record.exists():
                log(f"{label}, seed {seed}: kept from before, {record}")
                found.append(json.loads(record.read_text()))
                countdown.skip()
                continue
            log(f"{label}, seed {seed}")
            fitted = fit(
                case.model,
                recipe.replace(**case.changes),
                dataset,
                folder=runs / folder / file,
                seed=seed,
                model_options=case.options,
                callbacks=[
                    TimeEstimate(recipe.batch_size, log, countdown.left, advise=False)
                ],
            )
            found.append({"study": name, "case": label, **fitted.record})
            write_json(record, found[-1])
            countdown.done()
    return found


def _chosen(study: Study, labels: Iterable[str]) -> dict[str, Case]:
    labels = list(labels) or list(study.cases)
    for label in labels:
        if label not in study.cases:
            raise UserError(
                f"The study has no such case; expected some of: "
                f"{'; '.join(study.cases)}. Received: {label!r}"
            )
    return {label: study.cases[label] for label in labels}


def _file_name(label: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in label).split()
    return "-".join(words)
