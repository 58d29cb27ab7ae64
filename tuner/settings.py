"""What a search was told to do: kept in its folder, and held to."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from fmkeras.errors import UserError, did_you_mean, shown_value
from fmkeras.files import write_json
from fmkeras.files.reading import read_json
from fmkeras.models import model_info
from fmkeras.recipes import Recipe, as_options, find_options, find_recipe
from tuner.spaces.builtin import BATCH_LR_GRID, STANDARDISE_GRID
from tuner.spaces.files import find_space, read_hyperparameters
from tuner.spaces.space import Space, apply_values, check_space, grid

SETTINGS = "settings.json"
SEARCHES = ("grid", "random", "bayesian", "hyperband")
OBJECTIVES = ("val_accuracy", "val_loss")
DEFAULT_TRIALS = 20
FORM = {
    "model": str,
    "backend": str,
    "search": str,
    "space": {"name": str, "hyperparameters": dict},
    "recipe": dict,
    "objective": str,
    "seed": int,
    "trials": (int, type(None)),
    "data": dict,
    "options?": dict,
}
DATA_FLAGS = ("data", "data_seed", "train_size", "test_size", "resize", "skip_bad")


@dataclass(frozen=True)
class Settings:
    """Everything that the result of a search depends on.

    Attributes:
        model: the network.
        backend: what keras runs on.
        search: one of `SEARCHES`.
        space: what may be chosen.
        recipe: all that is not chosen; Hyperband gives trials up to its epochs.
        objective: one of `OBJECTIVES`, of the epoch whose weights a trial keeps.
        seed: of every trial, and of what is drawn.
        trials: at most so many; None for all of a grid, and with Hyperband.
        data: the flags of the data set, and its `checksum`.
        options: arguments of the network that are not chosen, from a recipe's file.
    """

    model: str
    backend: str
    search: str
    space: Space
    recipe: Recipe
    objective: str
    seed: int
    trials: int | None
    data: dict
    options: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise `UserError` for settings that do not go together."""
        _check("search", self.search, SEARCHES)
        _check("objective", self.objective, OBJECTIVES)
        check_space(self.space, self.model, self.recipe)
        names = {h.name for h in self.space.hyperparameters}
        if self.search == "hyperband":
            if self.recipe.swa_epochs or "swa_epochs" in names:
                raise UserError(
                    "Hyperband begins with a few epochs of each trial; expected no "
                    "swa_epochs, a mean over the last ones. Received: swa_epochs"
                )
            if "epochs" in names:
                raise UserError(
                    "Hyperband chooses the epochs itself; expected a space without "
                    "them, EPOCHS for the most. Received: epochs among the choices"
                )
            if self.trials is not None:
                raise UserError(
                    "Hyperband follows from EPOCHS how many trials there are; expected "
                    f"no TRIALS. Received: {self.trials}"
                )
        elif self.trials is not None and self.trials < 1:
            raise UserError(f"Bad TRIALS; expected 1 or more. Received: {self.trials}")
        if self.search == "grid":
            for values in grid(self.space.hyperparameters):
                apply_values(self.recipe, self.model, values)

    def to_dict(self) -> dict:
        """Return all of it as JSON knows it."""
        content = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        content["space"] = {
            "name": self.space.name,
            "hyperparameters": self.space.to_dict(),
        }
        content["recipe"] = self.recipe.to_dict()
        return json.loads(json.dumps(content))


FIRST_SEARCH = (
    "No MODEL is named: a first search, of lenet_relu, 8 trials of 3 epochs, in a few "
    "minutes. MODEL=, TRIALS= and EPOCHS= make another."
)


def make_settings(options) -> Settings:
    """Return the settings that the flags stand for."""
    if options.model is None:
        print(FIRST_SEARCH, flush=True)
        options.model = "lenet_relu"
        if options.trials is None and options.search != "hyperband":
            options.trials = 8
        options.epochs = 3 if options.epochs is None else options.epochs
    options.model = model_info(options.model).name
    space = find_space(options.space, options.model, options.run_space_code)
    arguments = {}
    if options.recipe is not None:
        arguments = find_options(options.recipe, options.model)
        recipe = find_recipe(options.recipe, options.model)
    else:
        recipe = space.recipe or find_recipe("default", options.model)
    # Some train on all images, and measure those of the test after each epoch; a
    # search needs images to choose by, which are not those.
    recipe = dataclasses.replace(recipe, data_split="holdout", test_each_epoch=False)
    recipe = _change(recipe, space.changes)
    if options.epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=options.epochs)
    published = space in (BATCH_LR_GRID, STANDARDISE_GRID)
    kind = options.search or ("grid" if published else "random")
    trials = options.trials
    if trials is None and kind in ("random", "bayesian"):
        trials = DEFAULT_TRIALS
    return Settings(
        model=options.model,
        backend=options.backend,
        search=kind,
        space=space,
        # No published recipe's name, as that of a user's file may be.
        recipe=dataclasses.replace(recipe, name=f"space {space.name}"),
        objective=options.objective,
        seed=options.seed,
        trials=trials,
        data={name: getattr(options, name) for name in DATA_FLAGS},
        options=arguments,
    )


def default_name(settings: Settings) -> str:
    """Return a name that tells one search from another."""
    return (
        f"{settings.model}-{settings.space.name}-{settings.search}-"
        f"{settings.backend}-seed{settings.seed}"
    )


def read_settings(folder: Path) -> Settings:
    """Return the settings of the search in a folder; `UserError` if there is none."""
    path = folder / SETTINGS
    try:
        content = read_json(path, FORM)
        space = content.pop("space")
        hyperparameters = read_hyperparameters(path, space["hyperparameters"])
        recipe = Recipe(**content.pop("recipe"))
        options = as_options(content.pop("options", {}))
        return Settings(
            space=Space(space["name"], hyperparameters),
            recipe=recipe,
            options=options,
            **content,
        )
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"There is no search to go on with; expected a folder with {SETTINGS}, as "
            f"each has in runs/tune-NAME. Received: {str(folder)!r}"
        ) from error


def save_or_check(folder: Path, settings: Settings) -> None:
    """Write the settings into a new folder; hold an old one's against them.

    Only `trials` may differ, and what the recipe is called. Raises `UserError` where
    anything else does.
    """
    path = folder / SETTINGS
    wanted = settings.to_dict()
    if path.exists():
        before = read_settings(folder).to_dict()
        before["recipe"]["name"] = wanted["recipe"]["name"]
        for key in wanted:
            if key != "trials" and before[key] != wanted[key]:
                raise UserError(
                    f"The search in '{folder}' has another {key}; expected "
                    f"{_short(before[key])}, or another NAME. "
                    f"Received: {_short(wanted[key])}"
                )
    write_json(path, wanted)


def _change(recipe, changes: dict):
    try:
        return dataclasses.replace(recipe, **changes)
    except TypeError as error:
        raise UserError(
            "The space's recipe holds unknown fields; expected those of a recipe. "
            f"Received: {', '.join(changes):.160}"
        ) from error


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        why = " (the test images choose nothing)" if name == "objective" else ""
        raise UserError(
            f"Unknown {name}; expected one of: {', '.join(known)}{why}."
            f"{did_you_mean(value, known)} Received: {shown_value(value)}"
        )


def _short(value) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)
