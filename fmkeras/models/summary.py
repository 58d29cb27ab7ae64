"""What the networks cost: counted from their graphs, shown as tables."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from fmkeras.models.registry import build_graph, list_models, model_info
from fmkeras.records import SAVED_MODELS

# Operations of a training step a multiply-add of the forward pass: two for itself, as
# many again for the gradients of the weights, and of the layer's input.
STEP_OPERATIONS = 6


def count_multiply_adds(model) -> int:
    """Return the multiplications with an addition that one image takes.

    Convolutions and dense layers are counted, without their biases; what the other
    layers do (normalising, pooling, resizing) is small beside them.
    """
    return sum(_multiply_adds(layer) for layer in model.layers)


def layer_rows(model) -> list[dict]:
    """Return name, kind, output shape, parameters and multiply-adds of each layer."""
    return [
        {
            "layer": layer.name,
            "kind": type(layer).__name__,
            "output": list(layer.output.shape[1:]),
            "parameters": _count(layer.trainable_weights),
            "multiply_adds": _multiply_adds(layer),
        }
        for layer in model.layers
    ]


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
            f"{row['multiply_adds']:,}",
        )
        for row in rows
    ]
    parameters = sum(row["parameters"] for row in rows)
    multiply_adds = sum(row["multiply_adds"] for row in rows)
    cells.append(("total", "", "", f"{parameters:,}", f"{multiply_adds:,}"))
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


def _multiply_adds(layer) -> int:
    kind = type(layer).__name__
    # A depthwise kernel is (height, width, channels, multiplier).
    if kind in ("Conv2D", "DepthwiseConv2D"):
        height, width = layer.output.shape[1:3]
        return height * width * math.prod(layer.kernel.shape)
    if kind == "Dense":
        return math.prod(layer.kernel.shape)
    return 0


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
