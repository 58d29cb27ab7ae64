"""What a traced graph does without: nodes that change nothing of what is computed."""

import torch

_aten = torch.ops.aten
_VIEWS = {
    _aten.permute.default,
    _aten.t.default,
    _aten.unsqueeze.default,
    _aten.view.default,
}


def simplify(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """Leave out detaching, turning to and fro, seeing twice, and reading scalars.

    Without gradients a detached tensor is the tensor itself. Each layer turns its
    images to torch's order and back, so that between two layers nothing is left.
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
    _view_once(graph)
    _read_no_scalars(graph)
    # Real tensors may lie otherwise in memory than the fake ones of the trace, so that
    # what was a view there needs a copy.
    for node in graph.find_nodes(op="call_function", target=_aten.view.default):
        node.target = _aten.reshape.default
    graph.eliminate_dead_code()
    module.recompile()
    return module


def _view_once(graph: torch.fx.Graph) -> None:
    """Let nodes that see the same tensor in the same way be one."""
    found: dict[tuple, torch.fx.Node] = {}
    for node in graph.nodes:
        if node.target in _VIEWS:
            # The text of the arguments names the nodes among them.
            first = found.setdefault((node.target, str(node.args)), node)
            if first is not node:
                node.replace_all_uses_with(first)


def _read_no_scalars(graph: torch.fx.Graph) -> None:
    """Let sums that read a scalar off its tensor be scaled by the tensor instead.

    Keras's SGD adds the gradients `alpha` times, a learning rate that is a tensor. To
    read it waits for a GPU, which can record no such step, nor can Inductor compile it.
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
