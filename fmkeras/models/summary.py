"""What the networks cost: counted from their graphs, shown as tables."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from fmkeras.labels import IMAGE_SHAPE
from fmkeras.models.registry import build_graph, list_models, model_info
from fmkeras.records import SAVED_MODELS

# Operations of a training step a multiply-add of the forward pass: two for itself, as
# many again for the gradients of the weights, and of the layer's input.
STEP_OPERATIONS = 6


# Layers that have weights and take no multiplication with an addition worth counting.
_CHEAP = {
    "BatchNormalization",
    "Embedding",
    "GroupNormalization",
    "LayerNormalization",
    "Normalization",
    "PReLU",
    "RMSNormalization",
}
# Products of two inputs, which no weights tell of.
_PRODUCTS = {"Attention", "AdditiveAttention", "Dot", "Einsum", "Matmul", "Tensordot"}


def count_multiply_adds(model) -> int | None:
    """Return the multiplications with an addition that one image takes.

    The image has 28 x 28 pixels where the model takes any size. Convolutions and dense
    layers are counted, without their biases, those of inner models too; what the other
    layers do (normalising, pooling, resizing) is small beside them. None where that
    cannot be told: for a model with a `call` of its own, and for other layers with
    weights.
    """
    return _sum(call["multiply_adds"] for call in _calls(model))


def layer_rows(model) -> list[dict]:
    """Return name, kind, output shape, parameters and multiply-adds of each layer.

    The image has 28 x 28 pixels where the model takes any size; `multiply_adds` is
    None where they cannot be told (see `count_multiply_adds`).
    """
    calls = _calls(model)
    rows = []
    for layer in model.layers:
        own = [call for call in calls if call["operation"] is layer]
        shape = own[0]["output"] if own else _one_image(layer.output).shape[1:]
        rows.append(
            {
                "layer": layer.name,
                "kind": type(layer).__name__,
                "output": list(shape),
                "parameters": _count(layer.trainable_weights),
                "multiply_adds": _sum(call["multiply_adds"] for call in own),
            }
        )
    return rows


def show_model(name: str, markdown: bool = False, **options) -> str:
    """Return the network layer by layer, as text or Markdown.

    Raises `UserError` for an unknown name or option.
    """
    return show_rows(layer_rows(build_graph(name, **options)), markdown)


def show_rows(rows: list[dict], markdown: bool = False) -> str:
    """Return the rows of `layer_rows` as a table with a last line of sums."""
    cells = [
        (
            row["layer"],
            row["kind"],
            " x ".join(map(str, row["output"])),
            f"{row['parameters']:,}",
            _shown(row["multiply_adds"]),
        )
        for row in rows
    ]
    parameters = sum(row["parameters"] for row in rows)
    multiply_adds = _sum(row["multiply_adds"] for row in rows)
    cells.append(("total", "", "", f"{parameters:,}", _shown(multiply_adds)))
    heads = ("layer", "kind", "output", "parameters", "multiply-adds")
    return _table(heads, cells, "llrrr", markdown)


def model_rows(
    names: Sequence[str] | None = None,
    models_dir: str | os.PathLike = SAVED_MODELS,
) -> list[dict]:
    """Return one row a network: what it is, what it costs, what was published.

    `bytes` is the size of its file in `models_dir`; where there is none, of its
    weights in float32, and `bytes_of` says which: 'file' or 'weights'. Raises
    `UserError` for an unknown name.
    """
    rows = []
    for name in names or list_models():
        info = model_info(name)
        model = build_graph(name)
        path = Path(models_dir) / f"{name}.keras"
        saved = path.is_file()
        rows.append(
            {
                "name": name,
                "source": info.source,
                "input": info.input_size,
                "parameters": _count(model.trainable_weights),
                "multiply_adds": count_multiply_adds(model),
                "bytes": path.stat().st_size if saved else 4 * model.count_params(),
                "bytes_of": "file" if saved else "weights",
                "published_accuracy": info.published_accuracy,
                "published_note": info.published_note,
            }
        )
    return rows


def models_table(rows: list[dict], markdown: bool = False) -> str:
    """Return the rows of `model_rows` as text or Markdown."""
    cells = []
    for row in rows:
        accuracy = row["published_accuracy"]
        published = "" if accuracy is None else f"{100 * accuracy:.2f} %"
        note = row["published_note"]
        size = f"{row['bytes'] / 1e6:,.2f} MB"
        cells.append(
            (
                row["name"],
                row["source"],
                f"{row['input']} x {row['input']}",
                f"{row['parameters']:,}",
                f"{row['multiply_adds']:,}",
                size if row["bytes_of"] == "file" else f"({size})",
                f"{published} ({note})" if published and note else published or note,
            )
        )
    heads = (
        "name",
        "source",
        "input",
        "parameters",
        "multiply-adds",
        "file (weights alone)",
        "published test accuracy",
    )
    return _table(heads, cells, "llrrrrl", markdown)


def _calls(model) -> list[dict]:
    """Return operation, output shape and multiply-adds of each call for one image."""
    from fmkeras.keras_internals import functional_graph

    graph = functional_graph(model)
    if graph is None:
        return [{"operation": model, "output": (), "multiply_adds": None}]
    calls = []
    _follow(graph, [_one_image(tensor) for tensor in graph.inputs], calls)
    return calls


def _follow(graph, tensors, calls: list[dict]):
    """Return a model's symbolic outputs for other inputs, and add its calls."""
    import keras

    from fmkeras.keras_internals import call_again, functional_graph

    def replace(operation):
        def call(*arguments, **options):
            given = arguments[0] if arguments else options.get("inputs")
            inner = None
            if isinstance(operation, keras.Model):
                inner = functional_graph(operation)
            if inner is None:
                output = operation.compute_output_spec(*arguments, **options)
                cost = _multiply_adds(operation, given, output)
            else:
                inside = []
                output = _follow(inner, given, inside)
                cost = _sum(one["multiply_adds"] for one in inside)
            shape = keras.tree.flatten(output)[0].shape[1:]
            calls.append(
                {"operation": operation, "output": shape, "multiply_adds": cost}
            )
            return output

        return call

    return call_again(graph, tensors, replace)


def _one_image(tensor):
    """Return a symbolic tensor of one image, of our size where it is of any."""
    import keras

    usual = (1, *IMAGE_SHAPE)
    shape = [
        size or (usual[place] if place < len(usual) else 1)
        for place, size in enumerate(tensor.shape)
    ]
    return keras.KerasTensor((1, *shape[1:]), tensor.dtype)


def _multiply_adds(operation, given, output) -> int | None:
    kind = type(operation).__name__
    if kind in ("Conv1D", "Conv2D", "Conv3D", "Dense"):
        kernel = operation.kernel.shape
        return _positions(output, kernel[-1]) * math.prod(kernel)
    if kind in ("DepthwiseConv1D", "DepthwiseConv2D"):
        # Of shape (height, width, channels, multiplier).
        kernel = operation.kernel.shape
        return _positions(output, math.prod(kernel[-2:])) * math.prod(kernel)
    if kind in ("SeparableConv1D", "SeparableConv2D"):
        kernels = operation.depthwise_kernel.shape, operation.pointwise_kernel.shape
        return _positions(output, kernels[1][-1]) * sum(map(math.prod, kernels))
    if kind in ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"):
        # Each place of the input is spread over as many as the kernel has.
        kernel = operation.kernel.shape
        return _positions(given, kernel[-1]) * math.prod(kernel)
    costs = kind in _PRODUCTS or getattr(operation, "weights", [])
    return None if costs and kind not in _CHEAP else 0


def _positions(tensor, channels: int) -> int:
    return math.prod(tensor.shape[1:]) // channels


def _sum(counts) -> int | None:
    """Return the sum; None where one of the counts is not known."""
    counts = list(counts)
    return None if None in counts else sum(counts)


def _shown(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _count(weights) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _table(heads, rows, sides, markdown) -> str:
    if markdown:
        rule = ["---:" if side == "r" else "---" for side in sides]
        lines = (heads, rule, *rows)
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    lines = (heads, *rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(line, widths, sides, strict=True)
        ).rstrip()
        for line in lines
    )
