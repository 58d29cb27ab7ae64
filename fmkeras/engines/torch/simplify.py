"""Removes the nodes of a traced graph that do not change what it computes."""

import torch

_aten = torch.ops.aten
_VIEWS = {
    _aten.permute.default,
    _aten.t.default,
    _aten.unsqueeze.default,
    _aten.view.default,
}


def simplify(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """Remove detach nodes, inverse permutes, repeated views and scalar reads.

    A graph that records no gradients needs no detach. Each layer permutes its images to
    torch's order and back, so the permutes between two layers cancel.
    """
    graph = module.graph
    for node in graph.find_nodes(op="call_function", target=_aten.detach.default):
        node.replace_all_uses_with(node.args[0])
        graph.erase_node(node)
    for node in graph.find_nodes(op="call_function", target=_aten.permute.default):
        before, order = node.args
        if before.target is _aten.permute.default:
            orders = [before.args[1][axis] for axis in order]
            if orders == sorted(orders):
                node.replace_all_uses_with(before.args[0])
    _merge_views(graph)
    _remove_scalar_reads(graph)
    # Real tensors may have another memory layout than the fake ones of the trace, and
    # then a view needs a copy.
    for node in graph.find_nodes(op="call_function", target=_aten.view.default):
        node.target = _aten.reshape.default
    graph.eliminate_dead_code()
    module.recompile()
    return module


def _merge_views(graph: torch.fx.Graph) -> None:
    """Replace repeated views of a tensor by the first of them."""
    found: dict[tuple, torch.fx.Node] = {}
    for node in graph.nodes:
        if node.target in _VIEWS:
            # The text of the arguments names the nodes among them.
            first = found.setdefault((node.target, str(node.args)), node)
            if first is not node:
                node.replace_all_uses_with(first)


def _remove_scalar_reads(graph: torch.fx.Graph) -> None:
    """Multiply by a scalar tensor where a sum would read its value, as its `alpha`.

    Keras's SGD adds `alpha` times the gradients, and its learning rate is a tensor. A
    read waits for the GPU: no CUDA graph records such a step, and Inductor does not
    compile it.
    """
    nodes = graph.find_nodes(op="call_function", target=_aten._foreach_add_.List)
    for node in nodes:
        scalar = node.kwargs.get("alpha")
        if getattr(scalar, "target", None) is _aten._local_scalar_dense.default:
            with graph.inserting_before(node):
                scaled = graph.call_function(
                    _aten._foreach_mul.Tensor, (node.args[1], *scalar.args)
                )
            node.args, node.kwargs = (node.args[0], scaled), {}
