"""What `make zoo` has to train: which networks, in which order, for how long."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fmkeras.artifacts.pair import card_path
from fmkeras.datasets import Dataset
from fmkeras.errors import UserError
from fmkeras.files.reading import read_json
from fmkeras.labels import NUM_CLASSES
from fmkeras.models import list_models, list_own_models, model_info
from fmkeras.models.costs import MULTIPLY_ADDS
from fmkeras.recipes import HOW, Recipe, find_recipe, learns_alike
from fmkeras.records import SAVED_MODELS
from fmkeras.training.auto_figures import load_figures
from fmkeras.training.replace import CURRENT, is_card_alone, reason_to_stay
from fmkeras.training.run_dir import (
    CONFIG,
    RECORD,
    artifact_name,
    has_checkpoint,
)

# In the folder of a network's runs: what came of the training that ended last.
OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Zoo:
    """Where and on what the networks are trained.

    Attributes:
        dataset: is divided as each recipe says.
        backend: torch, tensorflow or jax.
        seed: of every training.
        epochs: of every training; None for those of the recipes.
        out: the folder of the models and cards.
        runs: gets a folder for each network.
        save: whether a model replaces one in `out`: better, always or never. With
            better one of another recipe than today's default is replaced too.
        arguments: the flags of `fmkeras train` that name the data.
    """

    dataset: Dataset
    backend: str = "torch"
    seed: int = 0
    epochs: int | None = None
    out: Path = SAVED_MODELS
    runs: Path = Path("runs/zoo")
    save: str = "better"
    arguments: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """How a model that was trained replaces one in `out`, as train knows it.

        What another recipe than today's trained is no better for its accuracy. A
        training of `epochs` is none of today's.
        """
        current = self.save == "better" and self.epochs is None
        return CURRENT if current else self.save


@dataclass(frozen=True)
class Net:
    """A network of the zoo.

    Attributes:
        name: as in the registry.
        recipe: how it is trained.
        seconds: of training, estimated.
        source: what the estimate stands on: measured or size.
        wanted: named by the user, so that a card without its file is not enough.
    """

    name: str
    recipe: Recipe
    seconds: float
    source: str
    wanted: bool = False


def zoo_names() -> list[str]:
    """Return the published networks and those of this project that have a size."""
    return list_models() + [n for n in list_own_models() if n.startswith("fmk_")]


def plan_zoo(zoo: Zoo, names: Iterable[str] = (), device: str = "cpu") -> list[Net]:
    """Return the networks, the quickest to train first; all for no names.

    Raises `UserError` for an unknown name.
    """
    names = [model_info(name).name for name in dict.fromkeys(names)]
    nets = []
    for name in names or zoo_names():
        recipe = find_recipe("default", name)
        if zoo.epochs is not None:
            recipe = recipe.replace(epochs=zoo.epochs)
        rate, source = estimate_rate(name, recipe.precision, zoo.backend, device)
        seconds = recipe.epochs * len(zoo.dataset.y_train) / rate
        nets.append(Net(name, recipe, seconds, source, bool(names)))
    return sorted(nets, key=lambda net: net.seconds)


def estimate_rate(
    name: str, precision: str, backend: str, device: str, figures: dict | None = None
) -> tuple[float, str]:
    """Return the images a second of a training, and what the number stands on.

    It is the shipped benchmark's of the network, or that of the network next in size
    by the multiplications of each. Only bfloat16 itself does not count as float32.
    """
    figures = load_figures() if figures is None else figures
    measured = figures["speed"].get(device) or figures["speed"]["cpu"]
    label = f"ours-{backend}{'-bfloat16' if precision == 'bfloat16' else ''}"
    rates = {
        other: entry["train"].get(label) or entry["train"].get(f"ours-{backend}")
        for other, entry in measured["models"].items()
    }
    rates = {other: rate for other, rate in rates.items() if rate}
    if name in rates:
        return rates[name], "measured"
    cost = MULTIPLY_ADDS[name]
    # The median of three: normalisation and pooling, which are not counted, differ.
    near = sorted(rates, key=lambda n: abs(_ratio(MULTIPLY_ADDS[n], cost)))[:3]
    return statistics.median(rates[n] * MULTIPLY_ADDS[n] / cost for n in near), "size"


@dataclass(frozen=True)
class Result:
    """What came of a network's training.

    Attributes:
        accuracy: on the test images, 0 to 1.
        place: in words, where the file is, and why if that is not the folder of models.
    """

    accuracy: float
    place: str

    def __str__(self) -> str:
        return f"{100 * self.accuracy:.2f} % {self.place}"


def find_result(net: Net, zoo: Zoo) -> Result | None:
    """Return a network's result; None where it is to be trained, or put in its place.

    The model in `out` is of the same recipe, seed and data; or else the last run is,
    and what is in `out` stays by the rule of `zoo.rule`. Of a network whose card alone
    is stored the file is asked for where the user named it.
    """
    path = zoo.out / f"{artifact_name(net.name, zoo.dataset)}.keras"
    card = _read(card_path(path))
    stored = is_same_training(card, net, zoo)
    if stored and path.exists():
        return Result(card["test"]["accuracy"], f"in '{path}'")
    outcome = _read(zoo.runs / net.name / OUTCOME)
    kept = Path(outcome.get("artifact", ""))
    if is_same_training(outcome, net, zoo) and kept.exists():
        place = _place_of(kept, path, zoo, bool(stored and card.get("remake")))
        return place and Result(outcome["test"]["accuracy"], place)
    if stored and card.get("remake") and not net.wanted:
        place = f"the card alone is in '{zoo.out}', {card['remake']} makes the file"
        return Result(card["test"]["accuracy"], place)
    return None


def _place_of(kept: Path, target: Path, zoo: Zoo, card_alone: bool) -> str | None:
    """Return where the model of the last run is, in words; None where `out` lacks it.

    `card_alone` says that `out` has the card of such a training, without a file.
    """
    if zoo.save == "never":
        return f"in '{kept}', as asked"
    large = is_card_alone(kept.stat().st_size)
    if large and card_alone:
        return f"in '{kept}'; '{zoo.out}' has the card alone, so large is the file"
    reason = reason_to_stay(kept, target, zoo.rule, large)
    return f"in '{kept}'; '{target}' stays: {reason}" if reason else None


def run_to_resume(net: Net, zoo: Zoo) -> Path | None:
    """Return the folder of the newest training of a network that can go on."""
    begun = (zoo.runs / net.name).glob(f"*/{CONFIG}")
    for path in sorted(begun, reverse=True):
        kept = has_checkpoint(path.parent)
        if kept and is_same_training(_read(path), net, zoo, computed_alike=True):
            return path.parent
    return None


def write_down(net: Net, zoo: Zoo, folder: Path) -> dict:
    """Return what came of a finished training, for `OUTCOME`.

    Raises `UserError` where the run has no record.
    """
    record = _read(folder / RECORD)
    if not record:
        raise UserError(
            f"The run '{folder}' ended without a record; expected {RECORD}: see its "
            "log, and start the command again."
        )
    name = f"{artifact_name(net.name, zoo.dataset)}.keras"
    keys = ("model", "options", "recipe", "seed", "dataset", "parameters", "seconds")
    facts = {key: record[key] for key in keys}
    test = {"accuracy": record["test"]["accuracy"]}
    return {**facts, "test": test, "artifact": str(folder / name)}


def is_same_training(
    told: dict, net: Net, zoo: Zoo, computed_alike: bool = False
) -> bool:
    """Say whether a card, a record or settings tell of the training that is wanted.

    Precision and compilation may differ unless it is to be `computed_alike`: a recipe
    leaves them to the machine, and what they change is no more than a seed does.
    """
    free = ("name",) if computed_alike else HOW
    try:
        same = (
            learns_alike(told["recipe"], net.recipe, free)
            and (told["model"], told["seed"]) == (net.name, zoo.seed)
            and not told["options"]
            and not told.get("start")
            and told["dataset"]["checksum"] == zoo.dataset.checksum
        )
    except (KeyError, TypeError, ValueError):
        return False
    # An architecture that was corrected since.
    ten = zoo.dataset.num_classes == NUM_CLASSES
    expected = model_info(net.name).parameters
    return same and (not ten or told.get("parameters", expected) == expected)


def _read(path: Path) -> dict:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _ratio(one: float, other: float) -> float:
    return max(one, other) / min(one, other) - 1
