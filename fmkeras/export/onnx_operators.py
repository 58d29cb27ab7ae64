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
    _replace(graph, node, "Erf", lambda value, one: [one, value])


def _expm1(cls, graph, node, **options) -> None:
    """exp(x) - 1."""
    _replace(graph, node, "Exp", lambda value, one: [value, one])


def _replace(graph, node, function: str, in_order) -> None:
    """Put the difference of a value of `function` and 1, `in_order`, for `node`."""
    from tf2onnx.utils import make_name, map_onnx_to_numpy_type

    dtype, shape = graph.get_dtype(node.output[0]), graph.get_shape(node.output[0])
    known = {"shapes": [shape], "dtypes": [dtype]}
    graph.remove_node(node.name)
    value = graph.make_node(function, node.input, **known).output[0]
    number = np.array(1, map_onnx_to_numpy_type(dtype))
    one = graph.make_const(make_name("one"), number).output[0]
    names = {"outputs": node.output, "name": node.name}
    graph.make_node("Sub", in_order(value, one), **names, **known)
