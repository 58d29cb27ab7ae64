"""What a traced graph does without: copies from one memory layout to another.

Keras's layers on torch copy images to the layout that they expect: convolutions to
channels last, pooling to channels first. Both compute the same in either, but for
rounding; left out, the copies cost nothing.
"""

import torch

_aten = torch.ops.aten
# What reads images in either layout and writes to none of them.
_READERS = {
    _aten.convolution.default,
    _aten.convolution_backward.default,
    _aten.max_pool2d_with_indices.default,
    _aten.max_pool2d_with_indices_backward.default,
    _aten.avg_pool2d.default,
    _aten.avg_pool2d_backward.default,
}


def drop_layout_copies(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """Leave out the copies that only change the layout of what a layer reads.

    A copy to channels first goes, wherever the layers behind it read either layout.
    One to channels last stays where the image is not in that layout already.
    """
    graph = module.graph
    for node in _layout_copies(graph, torch.contiguous_format):
        if all(user.target in _READERS or _is_layout_copy(user) for user in node.users):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    for node in _layout_copies(graph, torch.channels_last):
        if all(user.target in _READERS for user in node.users):
            with graph.inserting_after(node):
                alias = graph.call_method("contiguous", node.args, dict(node.kwargs))
            node.replace_all_uses_with(alias)
            graph.erase_node(node)
    module.recompile()
    return module


def _layout_copies(graph, layout: torch.memory_format) -> list:
    return [
        node
        for node in graph.nodes
        if _is_layout_copy(node) and node.kwargs["memory_format"] == layout
    ]


def _is_layout_copy(node) -> bool:
    return node.target == _aten.clone.default and "memory_format" in node.kwargs
