"""What each command of `python -m tuner` does, given its parsed arguments."""

import dataclasses
from pathlib import Path

from fmkeras.backends import set_backend
from fmkeras.command_parts import load_data, print_device
from fmkeras.errors import UserError
from fmkeras.models import model_info
from fmkeras.recipes import find_recipe
from tuner.lock import locked
from tuner.published import BATCH_LR_GRID, STANDARDISE_GRID
from tuner.settings import Settings, claim, read_settings
from tuner.space_files import find_space

DEFAULT_TRIALS = 20
DATA_FLAGS = ("data", "data_seed", "train_size", "test_size")


def search(options) -> None:
    """Search in this process, or with several workers of this machine."""
    if options.resume:
        folder = Path(options.resume)
        settings = read_settings(folder)
    else:
        settings = make_settings(options)
        folder = Path(options.runs) / f"tune-{options.name or default_name(settings)}"
    set_backend(settings.backend)
    for name in DATA_FLAGS:
        setattr(options, name, settings.data[name])
    dataset = load_data(options)
    data = settings.data | {"checksum": dataset.checksum}
    if options.resume and data != settings.data:
        raise UserError(
            "These are other images than the search began with; expected the same: "
            f"check DATA_DIR. Received: {dataset.source}"
        )
    settings = dataclasses.replace(settings, data=data)
    with locked(folder):
        claim(folder, settings)
        print_device()
        from tuner.run import search_here

        print(
            f"Search {folder}: {settings.search} over {settings.space.name}, "
            f"{settings.model} on {dataset.name} ({dataset.source})",
            flush=True,
        )
        search_here(settings, dataset, folder)


def make_settings(options) -> Settings:
    """Return the settings that the flags stand for."""
    if options.model is None:
        raise UserError("Which network? Expected MODEL, as 'make models' lists them.")
    model_info(options.model)
    space = find_space(options.space, options.model)
    if options.recipe is not None:
        recipe = find_recipe(options.recipe, options.model)
        # The published ones train on all images; a search needs some to choose by.
        recipe = dataclasses.replace(recipe, data_split="holdout")
    else:
        recipe = space.recipe or find_recipe("default", options.model)
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
        recipe=dataclasses.replace(recipe, name=space.name),
        objective=options.objective,
        seed=options.seed,
        trials=trials,
        data={name: getattr(options, name) for name in DATA_FLAGS},
    )


def default_name(settings: Settings) -> str:
    """Return a name that tells one search from another."""
    return (
        f"{settings.model}-{settings.space.name}-{settings.search}-"
        f"{settings.backend}-seed{settings.seed}"
    )


def _change(recipe, changes: dict):
    try:
        return dataclasses.replace(recipe, **changes)
    except TypeError as error:
        raise UserError(
            "The space's recipe holds unknown fields; expected those of a recipe. "
            f"Received: {', '.join(changes)}"
        ) from error
