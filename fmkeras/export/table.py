"""What exports were found to be: printed, and as the record behind the docs."""

import json
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.provenance import provenance

# Of exports that do not tell, and of those in the tables of the docs.
DATA = "fashion-mnist"


def export_rows(found: list[dict]) -> str:
    """Return one line an export, of the facts that `export_model` returns."""
    lines = [
        f"{'model':<20} {'format':<12} {'MB':>8} {'of .keras':>9} {'largest':>9} "
        f"{'same class':>13} {'accuracy':>9} {'ms an image':>12}",
    ]
    for facts in found:
        latency = facts.get("latency_ms")
        same = f"{facts['same_classes']:,}/{facts['images']:,}"
        lines.append(
            f"{facts['model']:<20} {facts['format']:<12} {facts['bytes'] / 1e6:>8.2f} "
            f"{facts['bytes'] / facts['source_bytes']:>9.2f} "
            f"{facts['max_difference']:>9.1e} {same:>13} "
            f"{facts['accuracy']:>9.4f} "
            f"{'' if latency is None else format(latency['median'], '.3f'):>12}"
        )
    return "\n".join(lines) + "\n"


def data_of(export: dict) -> str:
    """Return the name of the data that an export was compared on."""
    return export.get("dataset", {}).get("name", DATA)


def record_exports(found: list[dict], path: Path) -> dict:
    """Return the record at `path` with `found` in place of older exports alike.

    Alike are those of one model and format, compared on the same data.

    Raises `UserError` where the file there is no record.
    """
    exports = {}
    if path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))["exports"]
            exports = {_key(one): one for one in before}
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"The record '{path}' is damaged; expected what --record wrote: "
                "restore it, or move it away."
            ) from error
    made = provenance()
    exports |= {_key(one): one | made for one in found}
    return {"exports": [exports[key] for key in sorted(exports)]}


def _key(export: dict) -> tuple[str, str, str]:
    return export["model"], export["format"], data_of(export)
