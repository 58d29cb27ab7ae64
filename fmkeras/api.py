"""The public functions that join several parts: train, evaluate, compare, load, look.

Each takes names as the command line does, or the objects themselves.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import keras

from fmkeras.artifacts.keras_file import load_artifact
from fmkeras.artifacts.lookup import (
    class_names_of,
    load_for_dataset,
    load_with_classes,
)
from fmkeras.artifacts.pixels import RAW, take_raw_pixels
from fmkeras.datasets import Dataset, load_dataset
from fmkeras.engines import predict as engine_predict
from fmkeras.errors import UserError, did_you_mean
from fmkeras.evaluation.compare import Comparison
from fmkeras.evaluation.compare import compare as compare_predictions
from fmkeras.evaluation.evaluate import Evaluation, evaluate_model
from fmkeras.prediction.predict import (
    Predictions,
    find_pictures,
    predict_pictures,
    read_all,
)
from fmkeras.recipes import Recipe, complete_changes, find_options, find_recipe
from fmkeras.records import RUNS, SAVED_MODELS, model_folders
from fmkeras.training.run import RunResult
from fmkeras.training.run import train as train_run

Model = str | os.PathLike | keras.Model


def load_model(
    name_or_path: str | os.PathLike, folder: str | os.PathLike | None = None
) -> keras.Model:
    """Open a trained model by its name or its path, uncompiled.

    A name is looked for in `folder`, or without one in `saved_models` of the working
    folder, then among the files that the project ships: the small ones in an installed
    package, all of them in a checkout. The model takes pixels 0..255,
    (n, 28, 28, 1) or (n, 28, 28), and gives a probability a class. Raises `UserError`
    for a file that is nowhere, damaged, or altered since its card was written.
    """
    if folder is not None:
        return load_artifact(name_or_path, folder)
    return load_artifact(_find(name_or_path))


def train(
    model_name: str,
    recipe: str | Recipe = "default",
    dataset: str | os.PathLike | Dataset = "fashion-mnist",
    *,
    seed: int = 0,
    model_options: dict | None = None,
    out: str | os.PathLike = SAVED_MODELS,
    runs: str | os.PathLike = RUNS,
    resume: str | os.PathLike | None = None,
    callbacks: Iterable[keras.callbacks.Callback] = (),
    init_from: str | os.PathLike | None = None,
    freeze: str | None = None,
    log: Iterable[str] = (),
    **changes,
) -> RunResult:
    """Train a network by a recipe, measure it on the test images, and save it.

    Args:
        model_name: a name of `list_models()`.
        recipe: "default", "published", the path of a JSON file, or a `Recipe`.
        dataset: a name of `load_dataset`, or what it returned.
        seed: seed for the split, weights, batch order and dropout.
        model_options: further arguments of `build_model`.
        out: the folder of the `.keras` file and its card.
        runs: the folder in which the run gets a folder of its own.
        resume: the folder of an interrupted run of the same settings, to go on with.
        callbacks: Keras's, called after the run's own; the logs have the figures of
            every class.
        init_from: a `.keras` file, or a name of `saved_models`, whose weights training
            begins with; its last layer is made anew where the classes are others.
        freeze: the name of a layer; up to it no layer is trained.
        log: "mlflow", "wandb" or both, where the run is logged too.
        changes: fields of `Recipe` to change, such as `epochs=3`.

    Raises `UserError` for settings that do not work, before any training.
    """
    options = model_options
    if not isinstance(recipe, Recipe):
        options = {**find_options(recipe, model_name), **(model_options or {})}
        recipe = find_recipe(recipe, model_name)
    recipe = recipe.replace(**complete_changes(recipe, changes))
    return train_run(
        model_name,
        recipe,
        _dataset(dataset),
        seed=seed,
        model_options=options or None,
        out=out,
        runs=runs,
        resume=resume,
        callbacks=callbacks,
        init_from=init_from,
        freeze=freeze,
        log=[log] if isinstance(log, str) else log,
    )


def evaluate(
    model: Model,
    dataset: str | os.PathLike | Dataset = "fashion-mnist",
    pixels: str | None = None,
) -> Evaluation:
    """Measure a model on the test images of a data set.

    `model` is a Keras model of 28 x 28 gray images with one output a class, or what
    `load_model` takes. Logits and probabilities are told apart by their values.
    `pixels` is the range that the model was trained on, a key of
    `fmkeras.artifacts.pixels.RANGES`, where no card tells it: raw by default. Raises
    `UserError` for a model of other classes than those of the data.
    """
    dataset = _dataset(dataset)
    if isinstance(model, keras.Model):
        opened = take_raw_pixels(model, pixels or RAW)
    else:
        opened = load_for_dataset(_find(model), SAVED_MODELS, dataset, pixels)
    return evaluate_model(
        opened,
        dataset.x_test,
        dataset.y_test,
        engine_predict,
        dataset.class_names,
    )


def compare(
    models: Sequence[str | os.PathLike] | Mapping[str, Model],
    dataset: str | os.PathLike | Dataset = "fashion-mnist",
    seed: int = 0,
) -> Comparison:
    """Compare two models or more on the same test images, every figure paired.

    `models` are names or paths, or a mapping from a name to a model; `seed` is the
    bootstrap's.
    """
    dataset = _dataset(dataset)
    if not isinstance(models, Mapping):
        models = {str(name): name for name in models}
    predictions = {
        name: evaluate(model, dataset).predictions for name, model in models.items()
    }
    return compare_predictions(
        predictions, dataset.y_test, seed, class_names=dataset.class_names
    )


def predict_images(
    model: Model,
    paths: str | os.PathLike | Iterable[str | os.PathLike],
    class_names: Sequence[str] | None = None,
    pixels: str | None = None,
) -> Predictions:
    """Say what is on image files of your own, or on those in a folder.

    Each is prepared as the training images were: one garment, light on dark, 28 x 28.

    Args:
        model: as for `evaluate`.
        paths: files or folders.
        class_names: of the outputs; by default those of the model's card, or without
            one Fashion-MNIST's for ten outputs and numbers for others.
        pixels: as for `evaluate`.

    Raises `UserError` for names that are not as many as the outputs.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    pictures = read_all(find_pictures(paths))
    if isinstance(model, keras.Model):
        names = class_names_of({}, model)
        model = take_raw_pixels(model, pixels or RAW)
    else:
        model, names = load_with_classes(_find(model), pixels=pixels)
    names = names if class_names is None else tuple(class_names)
    return Predictions(predict_pictures(model, pictures, engine_predict, names))


def _dataset(dataset: str | os.PathLike | Dataset) -> Dataset:
    return dataset if isinstance(dataset, Dataset) else load_dataset(dataset)


def _find(name_or_path: str | os.PathLike) -> Path:
    """Return the path of a trained model; raise `UserError` where it is nowhere."""
    path = Path(name_or_path)
    if path.suffix == ".keras" or len(path.parts) > 1:
        return path
    folders = dict.fromkeys(place.resolve() for place in model_folders())
    for place in folders:
        if (found := place / f"{path}.keras").exists():
            return found
    there = sorted({f.stem for p in folders for f in p.glob("[!.]*.keras")})
    raise UserError(
        f"There is no model of that name; expected a file '{path}.keras' in "
        f"{' or '.join(repr(str(place)) for place in folders)} (there: "
        f"{', '.join(there) or 'none'}): put it there, or give its path."
        f"{did_you_mean(path, there)} Received: {str(name_or_path)!r}"
    )
