"""The command predict: classify your own pictures."""

import sys
from functools import partial
from pathlib import Path

from fmkeras.cli import flags
from fmkeras.cli.session import expand_patterns, print_device, split_words
from fmkeras.errors import UserError
from fmkeras.files import check_file

PICTURES = "runs/predictions"


def add_commands(add) -> None:
    """Declare predict; `add(name, run, text)` returns a parser."""
    predict_parser = add("predict", predict, "classify your own pictures")
    predict_parser.usage = "%(prog)s --model NAME|FILE PICTURE|DIR [...] [option ...]"
    predict_parser.epilog = (
        "Each picture becomes a 28 x 28 image as in the data set: trimmed, shrunk, "
        "centred and, where it is dark on light, inverted."
    )
    predict_parser.add_argument(
        "pictures",
        nargs="+",
        metavar="PICTURE|DIR",
        help="picture files, grey, coloured or transparent, or folders of them",
    )
    predict_parser.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="a name in --models-dir, or the path of a .keras file (default: of "
        "Fashion-MNIST the best there by its validation images)",
    )
    flags.add_models_dir(predict_parser)
    predict_parser.add_argument(
        "--out",
        default=PICTURES,
        metavar="DIR|FILE",
        help="folder of the 28 x 28 images, which may replace those of before, or a "
        f".csv file for the table alone (default: {PICTURES})",
    )
    predict_parser.add_argument(
        "--csv",
        metavar="FILE",
        help="write a table (default for a folder: predictions.csv in --out)",
    )
    flags.add_views(predict_parser)
    flags.add_pixels(predict_parser)
    flags.add_backend(predict_parser)


def predict(args) -> None:
    """Classify the user's own pictures."""
    from fmkeras.prediction.predict import (
        find_pictures,
        keep_what_was_seen,
        predict_pictures,
        read_all,
        write_predictions,
    )

    if Path(args.out).suffix == ".csv" and args.csv is None:
        args.out, args.csv = PICTURES, args.out
    check_file(args.csv)
    words = expand_patterns(split_words(args.pictures))
    folders = [word for word in words if Path(word).is_dir()]

    def skip(error: UserError) -> None:
        print(f"skipped: {error}", file=sys.stderr)

    # A folder may hold anything: files that are no pictures are skipped.
    pictures = read_all(find_pictures(words), skip if folders else None)
    if not pictures:
        raise UserError(
            "None of the files can be read as a picture; see above. "
            f"Received: {', '.join(words)}"
        )
    print_device()
    from fmkeras.artifacts.lookup import best_model, load_with_classes
    from fmkeras.engines import predict as run_model

    if args.model is None:
        args.model = best_model(args.models_dir)
        print(f"Model {args.model}")
    model, names = load_with_classes(args.model, args.models_dir, args.pixels)
    run = partial(run_model, views=args.views)
    predictions = predict_pictures(model, pictures, run, names)
    for prediction in predictions:
        print(prediction.to_text())
    keep_what_was_seen(predictions, args.out)
    print(f"28 x 28 images: {args.out}/*-28x28.png")
    if folders or args.csv:
        path = args.csv or Path(args.out) / "predictions.csv"
        write_predictions(predictions, path)
        print(f"Table: {path}")
