"""Write the folder of a page that runs a model: everything in it, nothing fetched.

A page opened from the disk may not load files by fetch or import; it may run classic
scripts that lie beside it. So the model and the runtime are scripts, gzipped and in
base64, that the page unpacks in memory.
"""

import base64
import gzip
import importlib.resources
import json
from pathlib import Path

import numpy as np

from fmkeras.artifacts.card import CARD
from fmkeras.errors import UserError
from fmkeras.export.try_page.runtime import VERSION, runtime_files
from fmkeras.files import may_be_replaced, replacing_folder
from fmkeras.files.reading import read_json, reason_of
from fmkeras.labels import CLASS_NAMES

MODEL = "model.js"
_ABOUT = "FILES.about = "
_LONGEST_ABOUT = 1 << 20
PARTS = ("index.html", "try.css", "prepare.js", "try.js", "licences.txt")


def write_try_page(
    exported: Path, out: Path, typical: tuple[np.ndarray, float] | None = None
) -> Path:
    """Write the page of an ONNX export to the folder `out`; return its index.html.

    `exported` is the folder that `make export FORMAT=onnx` wrote. With `typical`, means
    of training images of Fashion-MNIST and the limit of the distance to them, a page of
    its classes says which pictures are unlike them. Raises `UserError`
    where `out` holds something else than such a page, the export is damaged, or the
    runtime is not to be had.
    """
    if not may_be_replaced(out, MODEL):
        raise UserError(
            f"'{out}' is there already and is no page of this kind; expected a folder "
            "to make: move it away, or give another --out (make: OUT=)."
        )
    facts, card, model = _read_export(exported)
    module, binary = runtime_files()
    about = {
        "name": facts["model"],
        "classes": card["classes"],
        "accuracy": card.get("test", {}).get("accuracy"),
        "dataset": card.get("dataset", {}).get("name"),
        "runtime": f"onnxruntime-web {VERSION}",
        "source_sha256": facts.get("source_sha256"),
    }
    with replacing_folder(out) as folder:
        for name in PARTS:
            source = importlib.resources.files("fmkeras.export.try_page") / name
            (folder / name).write_bytes(source.read_bytes())
        values = {"about": about, "onnx": _packed(model)}
        if typical is not None and tuple(card["classes"]) == CLASS_NAMES:
            means, limit = typical
            values["typical"] = {"means": _packed(means.tobytes()), "limit": limit}
        _write_script(folder / MODEL, values)
        _write_script(
            folder / "runtime.js",
            {"module": _packed(module.encode()), "wasm": _packed(binary)},
        )
    return out / "index.html"


def source_of_page(folder: Path) -> str | None:
    """Return the checksum of the `.keras` file that a page runs.

    None where there is no page in `folder`, or an older one that does not tell.
    """
    try:
        with (folder / MODEL).open(encoding="utf-8") as file:
            # The model itself, which is long, is a later line.
            _, line = file.readline(), file.readline(_LONGEST_ABOUT)
        about = json.loads(line.removeprefix(_ABOUT).strip().removesuffix(";"))
        return about["source_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_export(exported: Path) -> tuple[dict, dict, bytes]:
    """Return export.json, card.json and the model's file of an export."""
    try:
        facts = read_json(exported / "export.json", {"model": str, "file": str})
        card = read_json(exported / "card.json", CARD | {"classes": [str]})
        return facts, card, (exported / facts["file"]).read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(
            f"The export '{exported}' is damaged; expected export.json, card.json and "
            "the model's file, as make export writes them: remove the folder, and it "
            f"is made anew. Received: {reason_of(error)}"
        ) from error


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _write_script(path: Path, values: dict) -> None:
    lines = [f"FILES.{key} = {json.dumps(value)};" for key, value in values.items()]
    # A class name may hold the end of a script.
    text = "\n".join(lines).replace("</", "<\\/")
    path.write_text(f"window.FILES ??= {{}};\n{text}\n", encoding="utf-8")
