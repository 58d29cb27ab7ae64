"""The command export: trained models in other formats."""

import sys

from fmkeras.cli import flags
from fmkeras.cli.session import import_keras, load_data, split_words
from fmkeras.errors import UserError
from fmkeras.export.formats import FORMATS, check_packages, find_format
from fmkeras.files import write_json
from fmkeras.records import EXPORTS


def add_commands(add) -> None:
    """Declare export; `add(name, run, text)` returns a parser."""
    parser = add(
        "export", export, "convert models to other formats and check each result"
    )
    parser.usage = "%(prog)s --model NAME|FILE [...] --format NAME [...] [option ...]"
    parser.epilog = (
        "Each file is opened by its own runtime and compared with the .keras file on "
        "1,000 test images; a file with other results is not kept."
    )
    parser.add_argument(
        "--model",
        required=True,
        nargs="+",
        metavar="NAME|FILE",
        help="names in --models-dir, paths of .keras files, or all",
    )
    parser.add_argument(
        "--format",
        default=["onnx"],
        nargs="+",
        metavar="NAME",
        help=f"{', '.join(FORMATS)}, or all (default: onnx)",
    )
    parser.add_argument(
        "--out",
        default="exports",
        metavar="DIR",
        help="each export gets a folder DIR/MODEL/FORMAT (default: exports)",
    )
    parser.add_argument(
        "--no-timing",
        action="store_true",
        help="do not time single images, as on a busy machine",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help=f"keep what was found in {EXPORTS}, for the table of make results",
    )
    flags.add_models_dir(parser)
    flags.add_pixels(parser)
    flags.add_backend(parser)
    flags.add_data(parser)


def export(args) -> int:
    """Write models in other formats; return 2 where any of them failed."""
    words = split_words(args.format)
    everything = words == ["all"]
    formats = [find_format(word) for word in (FORMATS if everything else words)]
    dataset = load_data(args)
    import_keras()
    from fmkeras.artifacts.lookup import find_models
    from fmkeras.export.export import REPEATS, export_model, open_source
    from fmkeras.export.table import export_rows, record_exports

    names = find_models(split_words(args.model), args.models_dir, dataset.name)
    found, failed = [], []
    for export_format in formats:
        try:
            check_packages(export_format)
        except UserError as error:
            # What cannot be had at all is told once, before any work.
            if not everything:
                raise
            print(f"left out: {error}", file=sys.stderr)
            failed.append(export_format)
    for name in names:
        source = open_source(name, dataset, args.models_dir, args.pixels)
        for export_format in formats:
            if export_format in failed:
                continue
            try:
                facts = export_model(
                    name,
                    export_format.name,
                    dataset,
                    args.out,
                    folder=args.models_dir,
                    source=source,
                    repeats=0 if args.no_timing else REPEATS,
                    log=lambda text: print(text, flush=True),
                )
            except UserError as error:
                if len(names) * len(formats) == 1:
                    raise
                print(f"not exported: {error}", file=sys.stderr)
                failed.append((name, export_format.name))
                continue
            found.append(facts)
            if args.record:
                # After each: what was found is kept where a later one is interrupted.
                write_json(EXPORTS, record_exports([facts], EXPORTS))
    if found:
        print("\n" + export_rows(found))
        print(f"Exports: {args.out}/MODEL/FORMAT/ (README.md in each says more)")
    if args.record and found:
        print(f"Record: {EXPORTS}")
    return 2 if failed else 0
