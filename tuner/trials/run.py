"""One trial: the same training as a run, its outcome kept, a failure too."""

import dataclasses
import math
import shutil
from pathlib import Path

import keras

from fmkeras.datasets import Dataset
from fmkeras.errors import CannotWrite
from fmkeras.files import replacing, write_json
from fmkeras.files.locks import Locked
from fmkeras.recipes.recipe import Recipe
from fmkeras.training.checkpoint_file import previous_path
from fmkeras.training.fit import fit
from fmkeras.training.progress import TimeEstimate
from fmkeras.training.run_dir import CHECKPOINT, CONFIG, has_checkpoint, read_config
from tuner.settings import Settings
from tuner.spaces.space import apply_values
from tuner.trials import files as trial_files


def run_trial(
    settings: Settings,
    dataset: Dataset,
    search: Path,
    trial_id: str,
    trials_left: int = 0,
) -> dict:
    """Train a trial as its plan says, or go on with it; return its outcome.

    A trial that ended before is not repeated. What goes wrong within it (a loss that
    is no number, no memory) is its outcome, state failed; a file that cannot be
    written ends the search. With `trials_left`, this one included, it says after its
    first batches how long all of them will take. Raises `Locked` while another process
    trains it.
    """
    outcome = trial_files.read_outcome(search, trial_id)
    if outcome is not None:
        return outcome
    try:
        outcome = _train(settings, dataset, search, trial_id, trials_left)
    except (OSError, CannotWrite, Locked):
        # Of the place, not of the trial.
        raise
    except Exception as error:  # A backend's own errors have no common type.
        outcome = {"state": trial_files.FAILED, "reason": describe_error(error)}
    trial_files.write_outcome(search, trial_id, outcome)
    # Or weights and compiled steps of many trials would pile up.
    keras.utils.clear_session()
    return outcome


def trial_recipe(settings: Settings, plan: dict) -> tuple[Recipe, dict]:
    """Return the recipe of a trial and the options of its network."""
    recipe, options = apply_values(settings.recipe, settings.model, plan["values"])
    options = {**settings.options, **options}
    if "epochs" in plan:
        recipe = dataclasses.replace(recipe, epochs=plan["epochs"])
    return recipe, options


def describe_error(error: BaseException) -> str:
    """Return one line: what happened, and of what type where it is not plain."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return f"out of memory: {text}" if text else "out of memory"
    if isinstance(error, ValueError) and text:
        return text[:500]
    return f"{type(error).__name__}: {text}"[:500]


def _train(settings, dataset, search, trial_id, trials_left) -> dict:
    plan = trial_files.read_plan(search, trial_id)
    recipe, options = trial_recipe(settings, plan)
    folder = trial_files.trial_folder(search, trial_id)
    if plan.get("earlier"):
        earlier = trial_files.trial_folder(search, plan["earlier"])
        _go_on_from(earlier, folder, recipe)
    estimate = TimeEstimate(recipe.batch_size, trainings=trials_left, advise=False)
    fitted = fit(
        settings.model,
        recipe,
        dataset,
        folder=folder,
        seed=settings.seed,
        model_options=options,
        callbacks=[estimate] if trials_left else [],
        hyperparameters={"model": settings.model, **plan["values"]},
    )
    row = fitted.history[fitted.kept_epoch - 1]
    if not math.isfinite(row[settings.objective]):
        raise ValueError(f"{settings.objective} is no number at the kept epoch")
    return {
        "state": trial_files.FINISHED,
        "kept_epoch": fitted.kept_epoch,
        "val_accuracy": row["val_accuracy"],
        "val_loss": row["val_loss"],
        "parameters": fitted.record["parameters"],
        "device": fitted.record["device"],
        "commit": fitted.record["commit"],
    }


def _go_on_from(earlier: Path, folder: Path, recipe: Recipe) -> None:
    """Let a trial start with the epochs of an earlier one of fewer epochs.

    Only where they are the same as its own first epochs: not with a schedule that
    follows the number of epochs. Then the trial starts anew.
    """
    if recipe.follows_epochs:
        return
    if (folder / CONFIG).exists() or not has_checkpoint(earlier):
        return
    before = previous_path(Path(CHECKPOINT)).name
    # Its rows too: where early stopping is over already, no epoch writes them.
    for name in (CHECKPOINT, before, "history.csv", "per_class.csv"):
        if (earlier / name).exists():
            with replacing(folder / name) as temporary:
                shutil.copyfile(earlier / name, temporary)
    config = read_config(earlier)
    write_json(folder / CONFIG, config | {"recipe": recipe.to_dict()})
