"""Weights of a PyTorch project, found their places in a network here."""

from collections.abc import Mapping

import numpy as np

from fmkeras.benchmark.pytorch.weights import COUNTER, entries
from fmkeras.errors import UserError


def match_arrays(
    model, arrays: Mapping[str, np.ndarray]
) -> list[tuple[str, str, np.ndarray]]:
    """Return (their key, our key, array) for each weight of a model.

    Where the keys are those of the model's PyTorch twin, they decide. Elsewhere it is
    the order in which PyTorch registers the modules, where every shape fits; or else
    the shapes alone, where no two modules have the same. Raises `UserError` that names
    the first weight that does not fit.
    """
    given = {key: a for key, a in arrays.items() if not key.endswith(COUNTER)}
    expected = {entry.key: entry.torch_shape for entry in entries(model)}
    if set(given) == set(expected):
        return _pairs(model, {key: key for key in expected}, given, expected)
    ours = _modules(expected)
    theirs = _modules({key: array.shape for key, array in given.items()})
    if len(given) != len(expected) or len(ours) != len(theirs):
        raise UserError(
            f"The weights do not fit {model.name}; expected {len(expected)} arrays, as "
            f"{_shown(expected)}. Received: {len(given)}, as "
            f"{_shown({k: v.shape for k, v in given.items()})}"
        )
    signatures = list(theirs.values())
    distinct = all(signatures.count(s) == 1 for s in signatures)
    if list(ours.values()) != signatures and distinct:
        by_shape = {str(signature): name for name, signature in theirs.items()}
        ordered = [by_shape.get(str(signature)) for signature in ours.values()]
        if None not in ordered:
            theirs = {name: theirs[name] for name in ordered}
    names = {
        f"{our}{kind}": f"{their}{kind}"
        for our, their in zip(ours, theirs, strict=True)
        for kind in ours[our]
    }
    return _pairs(model, names, given, expected)


def _pairs(model, names, given, expected) -> list[tuple[str, str, np.ndarray]]:
    for ours, theirs in names.items():
        received = given[theirs].shape if theirs in given else "none"
        if received != expected[ours]:
            raise UserError(
                f"The weights do not fit {model.name}; expected {ours} of shape "
                f"{expected[ours]} in this place: is it this network, with these "
                f"options? Received: {theirs} of shape {received}"
            )
    return [(theirs, ours, given[theirs]) for ours, theirs in names.items()]


def _modules(shapes: Mapping[str, tuple]) -> dict[str, dict[str, tuple]]:
    """Return of each module, in their order, the shape of each of its weights."""
    found: dict[str, dict[str, tuple]] = {}
    for key, shape in shapes.items():
        module, dot, kind = key.rpartition(".")
        found.setdefault(module, {})[dot + kind] = tuple(shape)
    # A kind's place within its module says nothing: some files sort their keys.
    return {name: dict(sorted(kinds.items())) for name, kinds in found.items()}


def _shown(shapes: Mapping[str, tuple]) -> str:
    first = [f"{key} {tuple(shape)}" for key, shape in list(shapes.items())[:3]]
    return ", ".join([*first, "..."] if len(shapes) > 3 else first)
