"""Maxima and minima in a compiled step: found with their places, by one operator.

The gradient of a maximum goes in equal parts to the values that equal it. For that
comparison Inductor computes the values again, without rounding them to bfloat16, as the
maximum is: none equals it, and the gradient is 0 / 0. Even in float32 another kernel
may round another way. So one operator, which Inductor does not look into, returns the
maximum and the places of the values that equal it.
"""

import operator

import torch

_aten = torch.ops.aten
_library = torch.library.Library("fmkeras_extrema", "DEF")
_VIEWS = {_aten.reshape.default, _aten.unsqueeze.default, _aten.view.default}


def _define(name: str, reduction) -> torch._ops.OpOverload:
    """Define an operator that returns a reduced tensor, and where its values are."""
    _library.define(
        f"{name}(Tensor x, int[1] dim=[], bool keepdim=False) -> (Tensor, Tensor)"
    )

    def compute(x, dim=(), keepdim=False):
        kept = reduction(x, dim, True)
        extremum = kept if keepdim else kept.squeeze(dim or list(range(x.ndim)))
        return extremum, x == kept

    torch.library.impl(_library, name, "CompositeExplicitAutograd")(compute)
    torch.library.register_fake(f"fmkeras_extrema::{name}", lib=_library)(compute)
    return getattr(torch.ops.fmkeras_extrema, name).default


_maximum, _minimum = _define("amax", torch.amax), _define("amin", torch.amin)
_OPERATORS = {
    _aten.amax.default: _maximum,
    _aten.amin.default: _minimum,
    # Of all values.
    _aten.max.default: _maximum,
    _aten.min.default: _minimum,
}


def keep_extrema(module: torch.fx.GraphModule) -> None:
    """Let one operator compute an extremum and the comparison of the values with it.

    The graph is one of `trace_step`, changed in place.
    """
    graph = module.graph
    for node in list(graph.nodes):
        comparisons = _comparisons(node) if node.target in _OPERATORS else []
        if not comparisons:
            continue
        with graph.inserting_before(node):
            both = graph.call_function(_OPERATORS[node.target], node.args, node.kwargs)
            extremum, places = (
                graph.call_function(operator.getitem, (both, index)) for index in (0, 1)
            )
        for comparison in comparisons:
            comparison.replace_all_uses_with(places)
            graph.erase_node(comparison)
        node.replace_all_uses_with(extremum)
    graph.eliminate_dead_code()
    module.recompile()


def _comparisons(extremum: torch.fx.Node) -> list[torch.fx.Node]:
    """Return the nodes that compare an extremum, or a view of it, with its values."""
    found, pending = [], [extremum]
    while pending:
        node = pending.pop()
        for user in node.users:
            if user.target in _VIEWS:
                pending.append(user)
            elif user.target is _aten.eq.Tensor and extremum.args[0] in user.args:
                found.append(user)
    return found
