"""What a traced graph does without: nodes that change nothing of what is computed."""

import torch
from torch._functorch.compile_utils import fx_graph_cse

_aten = torch.ops.aten


def simplify(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """Leave out detaching and turning to and fro, compute nothing twice.

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
    module.graph = fx_graph_cse(graph)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module
