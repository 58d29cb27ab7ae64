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
    """Leave out detaching, turning to and fro, and seeing twice in the same way.

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
