"""The command try: a page that runs a model in the browser."""

import hashlib
from pathlib import Path

from fmkeras.cli import flags
from fmkeras.cli.session import import_keras, load_data
from fmkeras.export.formats import FORMATS, check_packages
from fmkeras.files.reading import read_json


def add_commands(add) -> None:
    """Declare try; `add(name, run, text)` returns a parser."""
    parser = add("try", try_page, "write a page that runs a model in the browser")
    parser.usage = "%(prog)s --model NAME|FILE [option ...]"
    parser.epilog = (
        "The page opens from the disk, without a server or network: drop a picture, "
        "take one with the camera, or draw."
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="NAME|FILE",
        help="a name in --models-dir, or the path of a .keras file",
    )
    parser.add_argument(
        "--out",
        default="try",
        metavar="DIR",
        help="the page is DIR/MODEL/index.html (default: try)",
    )
    parser.add_argument(
        "--exports",
        default="exports",
        metavar="DIR",
        help="where the ONNX file is, or is written to (default: exports)",
    )
    flags.add_models_dir(parser)
    flags.add_pixels(parser)
    flags.add_backend(parser)
    flags.add_data(parser)


def try_page(args) -> None:
    """Write a page that runs a model in the browser."""
    import_keras()
    from fmkeras.artifacts.keras_file import find_artifact
    from fmkeras.artifacts.lookup import card_or_empty, told_pixels
    from fmkeras.artifacts.pixels import RAW
    from fmkeras.export.export import export_model
    from fmkeras.export.try_page.build import write_try_page
    from fmkeras.prediction.typical import shipped_reference

    path = find_artifact(args.model, args.models_dir)
    exported = Path(args.exports) / path.stem / "onnx"
    pixels = told_pixels(card_or_empty(path), args.pixels) or RAW
    source = hashlib.sha256(path.read_bytes()).hexdigest(), pixels
    if _source_of(exported) != source:
        check_packages(FORMATS["onnx"])
        export_model(
            path,
            "onnx",
            load_data(args),
            args.exports,
            pixels=args.pixels,
            repeats=0,
            log=lambda text: print(text, flush=True),
        )
    page = write_try_page(exported, Path(args.out) / path.stem, shipped_reference())
    print(f"Page: {page} (open it in a browser; make report links it)")


def _source_of(exported: Path) -> tuple[str, str] | None:
    """Return the checksum and the range of pixels of an export's `.keras` file."""
    from fmkeras.artifacts.pixels import RAW

    try:
        facts = read_json(exported / "export.json", {"source_sha256": str})
    except (OSError, ValueError):
        return None
    # Those that do not tell took the file as it is.
    return facts["source_sha256"], facts.get("pixels", RAW)
