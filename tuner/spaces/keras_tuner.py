"""Between a space and KerasTuner's own form of it."""

import contextlib
import json

import keras_tuner

from tuner.spaces.space import FIELDS, Hyperparameter, Space

# What Hyperband adds to the values of a trial.
EPOCHS = "tuner/epochs"
EARLIER = "tuner/trial_id"


def to_keras_tuner(space: Space) -> keras_tuner.HyperParameters:
    """Return all hyperparameters registered, those with a condition in its scope."""
    registered = keras_tuner.HyperParameters()
    earlier: dict[str, Hyperparameter] = {}
    for hyperparameter in space.hyperparameters:
        with contextlib.ExitStack() as scopes:
            for parent, allowed in hyperparameter.when.items():
                codes = [encode(earlier[parent], value) for value in allowed]
                scopes.enter_context(registered.conditional_scope(parent, codes))
            _register(registered, hyperparameter)
        earlier[hyperparameter.name] = hyperparameter
    return registered


def encode(hyperparameter: Hyperparameter, value):
    """Return a value as KerasTuner takes it: numbers of one type, or text."""
    types = {type(choice) for choice in hyperparameter.values}
    if len(types) == 1 and types <= {int, float, str}:
        return value
    return json.dumps(value)


def decode(space: Space, codes: dict) -> dict:
    """Return the values of the active hyperparameters, as the space has them."""
    values = {}
    for hyperparameter in space.hyperparameters:
        name = hyperparameter.name
        if name not in codes or not hyperparameter.is_active(values):
            continue
        if hyperparameter.values:
            choices = {encode(hyperparameter, v): v for v in hyperparameter.values}
            values[name] = choices[codes[name]]
        elif isinstance(codes[name], float):
            # Four digits: a recipe to read, and exact in every file.
            values[name] = float(f"{codes[name]:.4g}")
        else:
            values[name] = codes[name]
    return values


def _register(registered, hyperparameter: Hyperparameter) -> None:
    name = hyperparameter.name
    if hyperparameter.values:
        choices = [encode(hyperparameter, value) for value in hyperparameter.values]
        registered.Choice(name, choices)
        return
    make = registered.Int if _is_whole(hyperparameter) else registered.Float
    make(
        name,
        hyperparameter.minimum,
        hyperparameter.maximum,
        sampling=hyperparameter.sampling,
    )


def _is_whole(hyperparameter: Hyperparameter) -> bool:
    ends = (hyperparameter.minimum, hyperparameter.maximum)
    whole = all(isinstance(end, int) for end in ends)
    return whole and FIELDS.get(hyperparameter.name, int) is int
