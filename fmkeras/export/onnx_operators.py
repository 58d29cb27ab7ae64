"""Operators of TensorFlow that tf2onnx 1.17 leaves in a file, which then runs nowhere.

Keras's gelu is TensorFlow's `Erfc` and its celu `Expm1`; ONNX has `Erf` and `Exp`.
"""

import numpy as np


def register_operators() -> None:
    """Let tf2onnx convert `Erfc` and `Expm1`, by the definition of each."""
    from tf2onnx.handler import tf_op

    for name, convert in (("Erfc", _erfc), ("Expm1", _expm1)):
        tf_op(name)(type(name, (), {"version_9": classmethod(convert)}))


def _erfc(cls, graph, node, **options) -> None:
    """1 - erf(x)."""
    _replace(graph, node, "Erf", lambda one, value: ("Sub", [one, value]))


def _expm1(cls, graph, node, **options) -> None:
    """exp(x) - 1."""
    _replace(graph, node, "Exp", lambda one, value: ("Sub", [value, one]))


def _replace(graph, node, function: str, then) -> None:
    """Put `function` of ONNX and a second operator on its value and 1 for `node`."""
    from tf2onnx.utils import make_name, map_onnx_to_numpy_type

    of = map_onnx_to_numpy_type(graph.get_dtype(node.input[0]))
    shapes = [graph.get_shape(node.output[0])]
    dtypes = [graph.get_dtype(node.output[0])]
    graph.remove_node(node.name)
    value = graph.make_node(function, node.input, shapes=shapes, dtypes=dtypes)
    one = graph.make_const(make_name("one"), np.array(1, of))
    kind, inputs = then(one.output[0], value.output[0])
    graph.make_node(
        kind,
        inputs,
        outputs=node.output,
        name=node.name,
        shapes=shapes,
        dtypes=dtypes,
    )
