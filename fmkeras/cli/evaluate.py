"""The commands evaluate and compare: trained models on the test images."""

import tempfile
from functools import partial
from pathlib import Path

from fmkeras.cli import flags
from fmkeras.cli.session import import_keras, load_data, print_device, split_words
from fmkeras.errors import UserError
from fmkeras.files import check_file, write_csv, write_json


def add_commands(add) -> None:
    """Declare evaluate and compare; `add(name, run, text)` returns a parser."""
    _add_evaluate(add)
    _add_compare(add)


def _add_evaluate(add) -> None:
    parser = add("evaluate", evaluate, "evaluate .keras files on the test images")
    parser.usage = "%(prog)s --model NAME|FILE [...] [option ...]"
    parser.epilog = "example: fmkeras evaluate --model cnn --figure confusion.png"
    parser.add_argument(
        "--model",
        "--model-path",
        required=True,
        nargs="+",
        metavar="NAME|FILE",
        help="names in --models-dir, paths of .keras files, or all; with --model-name "
        "a file of PyTorch weights",
    )
    parser.add_argument(
        "--model-name",
        metavar="NAME",
        help="which network a file of PyTorch weights is of (see import-torch)",
    )
    parser.add_argument(
        "--batch-size",
        type=flags.positive_number,
        metavar="N",
        help="images at a time (default: as many as fit)",
    )
    flags.add_models_dir(parser)
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the figures to a file: a table if it ends in .csv, else JSON",
    )
    parser.add_argument(
        "--figure", metavar="FILE", help="draw the confusion matrix (.png or .svg)"
    )
    parser.add_argument(
        "--normalise",
        action="store_true",
        help="shares of the row in the confusion matrix, in place of counts",
    )
    parser.add_argument(
        "--reliability",
        metavar="FILE",
        help="draw accuracy against confidence (.png or .svg)",
    )
    flags.add_views(parser)
    flags.add_pixels(parser)
    flags.add_backend(parser)
    flags.add_data(parser)


def _add_compare(add) -> None:
    parser = add(
        "compare",
        compare,
        "compare .keras files on the same test images",
    )
    parser.usage = "%(prog)s --models NAME|FILE NAME|FILE [...] [option ...]"
    parser.epilog = (
        "For files of one network with different seeds it prints their mean and "
        "spread too."
    )
    parser.add_argument(
        "--models",
        required=True,
        nargs="+",
        metavar="NAME|FILE",
        help="two or more: names in --models-dir, paths, or all",
    )
    flags.add_models_dir(parser)
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the figures to a file: a table if it ends in .csv, else JSON",
    )
    flags.add_pixels(parser)
    flags.add_backend(parser)
    flags.add_data(parser)


def evaluate(args) -> None:
    """Evaluate one model or several on the test images."""
    from fmkeras.report.plots.figures import check_figures

    check_figures(args.figure, args.reliability)
    check_file(args.json)
    dataset = load_data(args)
    with tempfile.TemporaryDirectory() as folder:
        _evaluate_all(args, dataset, Path(folder))


def _evaluate_all(args, dataset, folder: Path) -> None:
    """Evaluate the models; those of PyTorch weights are brought into `folder`."""
    labels = {}
    if args.model_name is not None:
        for number, path in enumerate(split_words(args.model)):
            file = _as_keras(path, args.model_name, folder / str(number))
            labels[file] = path
        args.model = list(labels)
    names = _names(args.model, args, dataset)
    if len(names) > 1 and (args.figure or args.reliability):
        raise UserError(
            "--figure and --reliability draw one model; expected one, or neither flag. "
            f"Received: {len(names)} models"
        )
    print_device()
    from fmkeras.evaluation.names import shown_names

    labels = {name: labels.get(name, name) for name in names}
    shown = shown_names(labels.values())
    contents = [
        {"model": label} | _evaluate_one(name, shown[label], dataset, args)
        for name, label in labels.items()
    ]
    if len(names) > 1:
        from fmkeras.evaluation.text import summary_text

        print(summary_text(contents))
    if args.json:
        from fmkeras.evaluation.table import evaluation_rows

        if _is_table(args.json):
            write_csv(args.json, evaluation_rows(contents))
        else:
            write_json(args.json, contents[0] if len(names) == 1 else contents)
        print(f"Figures: {args.json}")


def _is_table(path: str) -> bool:
    return Path(path).suffix.lower() == ".csv"


def _as_keras(path: str, name: str, folder: Path) -> str:
    """Return the path of a `.keras` file, made in `folder` of PyTorch weights."""
    from fmkeras.benchmark.pytorch.state_dict import SUFFIXES
    from fmkeras.models import model_info

    model_info(name)
    if Path(path).suffix not in SUFFIXES:
        return path
    from fmkeras.cli.import_torch import bring_in

    return str(bring_in(path, name, {}, out=str(folder))[0])


def _evaluate_one(name: str, shown: str, dataset, args) -> dict:
    """Print and return the figures of a model, which is called `shown` there."""
    from fmkeras.artifacts.lookup import load_for_dataset
    from fmkeras.engines import predict
    from fmkeras.evaluation.evaluate import evaluate_model
    from fmkeras.evaluation.text import (
        details_content,
        details_text,
        evaluation_text,
    )

    model = load_for_dataset(name, args.models_dir, dataset, args.pixels)
    run = partial(predict, batch_size=args.batch_size)
    evaluation = evaluate_model(
        model, dataset.x_test, dataset.y_test, run, dataset.class_names
    )
    title = f"{shown} on {len(dataset.y_test):,} test images"
    print(f"{title} of {dataset.name}")
    print(evaluation_text(evaluation))
    temperature = _fit_temperature(evaluation, model, name, dataset, args)
    print(details_text(evaluation, temperature))
    if args.figure:
        from fmkeras.report.plots.figures import plot_confusion_matrix

        plot_confusion_matrix(
            evaluation.confusion,
            args.figure,
            title,
            dataset.class_names,
            args.normalise,
        )
        print(f"Figure: {args.figure}")
    if args.reliability:
        from fmkeras.report.plots.charts import plot_reliability

        plot_reliability(evaluation.calibration, args.reliability, title)
        print(f"Figure: {args.reliability}")
    figures = evaluation.to_dict() | details_content(evaluation, temperature)
    return {"dataset": dataset.name} | figures | _with_views(model, dataset, args)


def _with_views(model, dataset, args) -> dict:
    """Print and return the figures with test-time views, where they are asked for."""
    if args.views == "none":
        return {}
    from fmkeras.engines import predict
    from fmkeras.evaluation.evaluate import check_finite, evaluate_outputs
    from fmkeras.evaluation.views import VIEWS

    outputs = predict(model, dataset.x_test, args.batch_size, views=args.views)
    seen = evaluate_outputs(
        check_finite(outputs), dataset.y_test, 0.0, dataset.class_names
    )
    low, high = seen.interval
    count = len(VIEWS[args.views])
    print(
        f"With {count} views of each image ({args.views}): accuracy "
        f"{seen.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f}), loss "
        f"{seen.loss:.4f}"
    )
    figures = {"accuracy": seen.accuracy, "accuracy_interval_95": list(seen.interval)}
    return {"views": {"kind": args.views, **figures, "loss": seen.loss}}


def _fit_temperature(evaluation, model, name: str, dataset, args):
    from fmkeras.artifacts.lookup import card_or_empty, validation_subset
    from fmkeras.engines import predict
    from fmkeras.evaluation.evaluate import evaluate_model, fit_on_validation

    part = validation_subset(card_or_empty(name, args.models_dir), dataset)
    if part is None:
        return None
    run = partial(predict, batch_size=args.batch_size)
    seen = evaluate_model(model, part.images, part.labels, run, dataset.class_names)
    return fit_on_validation(evaluation, seen.probabilities, part.labels)


def compare(args) -> None:
    """Compare models on the same test images."""
    check_file(args.json)
    dataset = load_data(args)
    names = _names(args.models, args, dataset)
    print_device()
    from fmkeras.artifacts.lookup import card_or_empty, load_for_dataset
    from fmkeras.engines import predict
    from fmkeras.evaluation.compare import compare as compare_predictions
    from fmkeras.evaluation.evaluate import check_finite
    from fmkeras.evaluation.text import comparison_text
    from fmkeras.experiments.summary import over_seeds

    predictions = {
        name: check_finite(
            predict(
                load_for_dataset(name, args.models_dir, dataset, args.pixels),
                dataset.x_test,
            )
        ).argmax(1)
        for name in names
    }
    comparison = compare_predictions(
        predictions, dataset.y_test, class_names=dataset.class_names
    )
    accuracies = dict(zip(comparison.names, comparison.accuracies, strict=True))
    cards = {name: card_or_empty(name, args.models_dir) for name in accuracies}
    seeds = over_seeds(cards, accuracies)
    print(
        f"{len(names)} models on {len(dataset.y_test):,} test images of {dataset.name}"
    )
    print(comparison_text(comparison, seeds))
    if args.json:
        from fmkeras.evaluation.table import comparison_rows

        if _is_table(args.json):
            write_csv(args.json, comparison_rows(comparison))
        else:
            content = comparison.to_dict()
            write_json(
                args.json, content | {"over_seeds": seeds, "dataset": dataset.name}
            )
        print(f"Figures: {args.json}")


def _names(words, args, dataset) -> list[str]:
    # Opening a card needs keras; its notes come before the line about the device.
    import_keras()
    from fmkeras.artifacts.lookup import find_models

    return find_models(split_words(words), args.models_dir, dataset.name)
