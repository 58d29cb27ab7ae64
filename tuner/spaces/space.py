"""What a search may change: spaces of hyperparameters, as plain data.

A hyperparameter is any field of a `Recipe` but `FIXED`, or an option of the network
such as `hidden_units`. It has a list of values, or a range from `min` to `max`.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fmkeras.errors import UserError, did_you_mean, shown_value
from fmkeras.models import model_info
from fmkeras.models.options import check_options
from fmkeras.recipes import complete_changes
from fmkeras.recipes.recipe import Recipe

# The name is no choice; a split that validates on none, or on test images, leaves
# nothing to search by, and a search reads no test images.
FIXED = ("name", "data_split", "test_each_epoch")
FIELDS = {f.name: f.type for f in dataclasses.fields(Recipe) if f.name not in FIXED}
# Trials of a minute each, for a week.
MOST_POINTS = 10_000
SAMPLINGS = ("linear", "log")


@dataclass(frozen=True)
class Hyperparameter:
    """One choice of a space.

    Attributes:
        name: a field of `Recipe` or an option of the network.
        values: those to choose from; empty for a range.
        minimum: of a range.
        maximum: of a range.
        sampling: linear, or log for a range of even ratios.
        when: it is chosen only where other hyperparameters have one of these values.
    """

    name: str
    values: tuple = ()
    minimum: float | None = None
    maximum: float | None = None
    sampling: str = "linear"
    when: dict[str, tuple] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.values:
            if len(set(map(repr, self.values))) < len(self.values):
                raise self._error("each value once", list(self.values))
            return
        ends = (self.minimum, self.maximum)
        if not all(_is_number(end) for end in ends) or not ends[0] < ends[1]:
            raise self._error("a list of values, or min below max", list(ends))
        if self.sampling not in SAMPLINGS:
            raise self._error("sampling linear or log", self.sampling)
        if self.sampling == "log" and self.minimum <= 0:
            raise self._error("min above 0 for sampling log", self.minimum)

    def _error(self, expected: str, received) -> UserError:
        return UserError(
            f"Bad hyperparameter {self.name}; expected {expected}. "
            f"Received: {shown_value(received)}"
        )

    def samples(self) -> tuple:
        """Return values enough to check by: all of a list, the ends of a range."""
        return self.values or (self.minimum, self.maximum)

    def is_active(self, values: dict) -> bool:
        """Say whether it is to be chosen, given those before it."""
        return all(values.get(name) in allowed for name, allowed in self.when.items())


@dataclass(frozen=True)
class Space:
    """Hyperparameters, in the order of a grid (the last changes fastest).

    Attributes:
        name: what the space is called.
        hyperparameters: those to choose.
        recipe: all that is not chosen; None for the network's default recipe.
        changes: fields in which `recipe` is changed.
    """

    name: str
    hyperparameters: tuple[Hyperparameter, ...]
    recipe: Recipe | None = None
    changes: dict = field(default_factory=dict)

    def to_dict(self) -> dict:
        """Return the hyperparameters as JSON knows them."""
        return {h.name: _describe(h) for h in self.hyperparameters}


def check_space(space: Space, model_name: str, base: Recipe) -> None:
    """Raise `UserError` where a space does not fit a network and its recipe."""
    info = model_info(model_name)
    known = [*FIELDS, *info.options]
    if not space.hyperparameters:
        raise UserError(
            f"The space '{space.name}' is empty; expected at least one of: "
            f"{', '.join(known)}. Received: no hyperparameters"
        )
    if base.data_split != "holdout":
        raise UserError(
            "A search needs validation images; expected a recipe with data_split "
            f"holdout. Received: {base.data_split}"
        )
    if base.test_each_epoch:
        raise UserError(
            "A search reads no test images; expected a recipe without test_each_epoch. "
            "Received: test_each_epoch true"
        )
    before: dict[str, Hyperparameter] = {}
    for hyperparameter in space.hyperparameters:
        name = hyperparameter.name
        if name not in known:
            raise UserError(
                f"Unknown hyperparameter for {model_name}; expected one of: "
                f"{', '.join(known)}.{did_you_mean(name, known)} "
                f"Received: {shown_value(name)}"
            )
        if name in before:
            raise UserError(f"A hyperparameter comes twice. Received: {name!r}")
        context = {}
        for parent, allowed in hyperparameter.when.items():
            known_values = before[parent].values if parent in before else ()
            if not allowed or not all(value in known_values for value in allowed):
                raise UserError(
                    f"Bad condition of {name}; expected a hyperparameter listed before "
                    "it, and some of its values. "
                    f"Received: {parent:.80} in {shown_value(allowed)}"
                )
            context[parent] = allowed[0]
        others = [other for other in space.hyperparameters if other.name != name]
        for value in hyperparameter.samples():
            _check_value(base, model_name, context | {name: value}, others)
        before[name] = hyperparameter


def _check_value(
    base: Recipe, model_name: str, values: dict, others: Sequence[Hyperparameter]
) -> None:
    """Raise `UserError` where values go neither alone nor with another choice's."""
    try:
        apply_values(base, model_name, values)
    except UserError:
        for other in others:
            for value in other.samples():
                # A schedule may need another optimizer than the recipe's.
                with contextlib.suppress(UserError):
                    apply_values(base, model_name, {other.name: value} | values)
                    return
        raise


def apply_values(
    base: Recipe, model_name: str, values: dict
) -> tuple[Recipe, dict[str, object]]:
    """Return the recipe and the options of the network that `values` stand for.

    Another optimizer brings changes of its own, as `complete_changes` has them. Raises
    `UserError` for values that do not go together.
    """
    changes, options = {}, {}
    for name, value in values.items():
        if name in FIELDS:
            whole = FIELDS[name] is float and type(value) is int
            changes[name] = float(value) if whole else value
        else:
            options[name] = tuple(value) if isinstance(value, list) else value
    check_options(model_info(model_name), options)
    changes = complete_changes(base, changes)
    return dataclasses.replace(base, **changes), options


def grid(hyperparameters: Sequence[Hyperparameter]) -> Iterator[dict]:
    """Yield every combination of active values, the last changing fastest."""
    for hyperparameter in hyperparameters:
        if not hyperparameter.values:
            raise UserError(
                "A grid takes lists of values; expected a list, or SEARCH=random, "
                "bayesian or hyperband for a range. "
                f"Received: the range of {hyperparameter.name}"
            )
    for number, values in enumerate(_combine({}, hyperparameters)):
        if number == MOST_POINTS:
            sizes = " x ".join(str(len(h.values)) for h in hyperparameters)
            raise UserError(
                f"The grid has too many points; expected at most {MOST_POINTS:,}: "
                f"leave out values, or take SEARCH=random. Received: {sizes:.80}"
            )
        yield values


def _combine(values: dict, rest: Sequence[Hyperparameter]) -> Iterator[dict]:
    if not rest:
        yield values
        return
    first, rest = rest[0], rest[1:]
    if not first.is_active(values):
        yield from _combine(values, rest)
        return
    parts = (_combine(values | {first.name: value}, rest) for value in first.values)
    yield from itertools.chain.from_iterable(parts)


def _describe(hyperparameter: Hyperparameter) -> list | dict:
    if hyperparameter.values and not hyperparameter.when:
        return list(hyperparameter.values)
    if hyperparameter.values:
        content = {"values": list(hyperparameter.values)}
    else:
        content = {
            "min": hyperparameter.minimum,
            "max": hyperparameter.maximum,
            "sampling": hyperparameter.sampling,
        }
    if hyperparameter.when:
        content["when"] = {name: list(v) for name, v in hyperparameter.when.items()}
    return content


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
