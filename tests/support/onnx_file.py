"""A small ONNX file written by hand, so that no exporter is needed to test its use.

softmax(mean(pixels) / 255 * (0, 1, ..., 9)) of float32 (n, 28, 28, 1): ReduceMean,
Reshape, MatMul and Softmax. Field numbers are those of onnx.proto.
"""

import numpy as np


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value & (1 << 64) - 1)


def _bytes(field: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _tensor(name: str, array: np.ndarray) -> bytes:
    kind = {"float32": 1, "int64": 7}[str(array.dtype)]
    dims = b"".join(_number(1, size) for size in array.shape)
    return dims + _number(2, kind) + _bytes(8, name) + _bytes(9, array.tobytes())


def _node(kind: str, inputs: list[str], output: str, **whole: int) -> bytes:
    attributes = b"".join(
        _bytes(5, _bytes(1, name) + _number(3, value) + _number(20, 2))
        for name, value in whole.items()
    )
    names = b"".join(_bytes(1, name) for name in inputs)
    return names + _bytes(2, output) + _bytes(4, kind) + attributes


def _value(name: str, shape: tuple) -> bytes:
    dims = b"".join(
        _bytes(1, _bytes(2, size) if isinstance(size, str) else _number(1, size))
        for size in shape
    )
    tensor = _number(1, 1) + _bytes(2, dims)
    return _bytes(1, name) + _bytes(2, _bytes(1, tensor))


def mean_model() -> bytes:
    weights = (np.arange(10, dtype=np.float32) / 255).reshape(1, 10)
    nodes = [
        _node("Reshape", ["pixels", "flat"], "rows"),
        _node("ReduceMean", ["rows", "axis"], "mean", keepdims=1),
        _node("MatMul", ["mean", "weights"], "logits"),
        _node("Softmax", ["logits"], "probabilities", axis=1),
    ]
    graph = b"".join(_bytes(1, node) for node in nodes) + _bytes(2, "mean")
    for name, array in (
        ("flat", np.array([-1, 784], np.int64)),
        ("axis", np.array([1], np.int64)),
        ("weights", weights),
    ):
        graph += _bytes(5, _tensor(name, array))
    graph += _bytes(11, _value("pixels", ("n", 28, 28, 1)))
    graph += _bytes(12, _value("probabilities", ("n", 10)))
    opset = _bytes(8, _bytes(1, "") + _number(2, 18))
    return _number(1, 8) + _bytes(7, graph) + opset
