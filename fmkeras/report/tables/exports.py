"""The tables of exported models: sizes, differences, what int8 costs, latency."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from fmkeras.export.table import DATA, data_of
from fmkeras.records import EXPORTS, SAVED_MODELS
from fmkeras.report.tables.markdown import markdown_table, percent

COMMAND = "make export MODEL=all FORMAT=all ARGS=--record"
# Of one core: what a quiet machine's own services take is below it.
BUSY = 0.2

Exports = dict[str, dict[str, dict]]


def exports_table(root: Path, part: str) -> str:
    """Return one table of the record of exports: a row a model, a column a format.

    `part` is size, difference, int8 or latency. A model whose file is not the one that
    was exported is left out, and named below the table.
    """
    exports, missing = current_exports(root)
    if not exports:
        return f"No export is recorded yet: `{COMMAND}`."
    text = _PARTS[part](exports)
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        text += f"\n\nNot exported since the file was made: {names}."
    return text


def current_exports(root: Path) -> tuple[Exports, list[str]]:
    """Return exports by model and format, and the saved models that have none.

    Those that were compared on Fashion-MNIST count alone.
    """
    path = root / EXPORTS
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    exports: Exports = {}
    for one in record.get("exports", ()):
        if data_of(one) == DATA:
            exports.setdefault(one["model"], {})[one["format"]] = one
    found, missing = {}, []
    for file in sorted((root / SAVED_MODELS).glob("[!.]*.keras")):
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()
        rows = {
            name: one
            for name, one in exports.get(file.stem, {}).items()
            if one["source_sha256"] == checksum
        }
        if rows:
            found[file.stem] = rows
        else:
            missing.append(file.stem)
    return found, missing


def _size_table(exports: Exports) -> str:
    formats = _formats(exports)
    rows = []
    for model, row in exports.items():
        source = next(iter(row.values()))["source_bytes"]
        rows.append((model, _megabytes(source), *_cells(row, formats, _size)))
    return "MB of each file:\n\n" + _table((".keras", *formats), rows)


def _difference_table(exports: Exports) -> str:
    formats = [name for name in _formats(exports) if not _is_int8(name)]
    rows = [
        (model, *_cells(row, formats, lambda one: f"{one['max_difference']:.1e}"))
        for model, row in exports.items()
    ]
    compared = [
        one for row in exports.values() for name, one in row.items() if name in formats
    ]
    same = sum(one["same_classes"] for one in compared)
    images = sum(one["images"] for one in compared)
    return (
        "The largest difference from a probability of the `.keras` file, on its "
        f"first 1,000 test images; of {images:,} classes {same:,} are the same:\n\n"
        f"{_table(formats, rows)}"
    )


def _int8_table(exports: Exports) -> str:
    formats = [name for name in _formats(exports) if _is_int8(name)]
    rows = []
    for model, row in exports.items():
        source = next(iter(row.values()))["source_accuracy"]
        rows.append((model, percent(source), *_cells(row, formats, _loss)))
    return (
        "Test accuracy of the `.keras` file, and that of int8 with the difference in "
        f"points:\n\n{_table(('.keras', *formats), rows)}"
    )


def _latency_table(exports: Exports) -> str:
    formats = _formats(exports)
    timed = [
        one for row in exports.values() for one in row.values() if "latency_ms" in one
    ]
    if not timed:
        return f"No single image was timed yet: `{COMMAND}`."
    # A row a processor: what two of them took is not to be compared.
    rows = [
        (model, device, *_cells(own, formats, _latency))
        for model, row in exports.items()
        for device, own in _by_device(row).items()
    ]
    text = f"Milliseconds an image:\n\n{_table(('processor', *formats), rows, 'll')}"
    if any(_is_busy(one) for one in timed):
        text += (
            "\n\n\\* Other processes took more than "
            f"{BUSY} of a core meanwhile: too slow, and not to be compared."
        )
    return text


_PARTS: dict[str, Callable[[Exports], str]] = {
    "size": _size_table,
    "difference": _difference_table,
    "int8": _int8_table,
    "latency": _latency_table,
}


def _by_device(row: dict[str, dict]) -> Exports:
    """Return the timed exports of a model by the processor that they were timed on."""
    devices: Exports = {}
    for name, one in row.items():
        if "latency_ms" in one:
            devices.setdefault(one["device"], {})[name] = one
    return dict(sorted(devices.items()))


def _formats(exports: Exports) -> list[str]:
    """Return the formats of a record, those that lose nothing first."""
    names = dict.fromkeys(name for row in exports.values() for name in row)
    return sorted(names, key=lambda name: (_is_int8(name), name))


def _is_int8(name: str) -> bool:
    return name.endswith("int8")


def _cells(row: dict, formats: list[str], text: Callable[[dict], str]) -> list[str]:
    return [text(row[name]) if name in row else "" for name in formats]


def _table(heads, rows, left: str = "l") -> str:
    """Return a table of models; the columns of `left`, one letter each, are words."""
    rows = [(f"`{name}`", *cells) for name, *cells in rows]
    heads = ("model", *heads)
    return markdown_table(heads, rows, left.ljust(len(heads), "r"))


def _size(one: dict) -> str:
    return _megabytes(one["bytes"])


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.2f}"


def _loss(one: dict) -> str:
    points = 100 * (one["accuracy"] - one["source_accuracy"])
    return f"{percent(one['accuracy'])} ({points:+.2f})"


def _latency(one: dict) -> str:
    return f"{one['latency_ms']['median']:.3f}{' *' if _is_busy(one) else ''}"


def _is_busy(one: dict) -> bool:
    """Say whether other processes disturbed the timing, as far as it is known."""
    busy = one.get("latency_ms", {}).get("busy_cores")
    return busy is not None and busy > BUSY
