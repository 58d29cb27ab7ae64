"""The command line: parse, set the backend, call one function."""

import argparse
import contextlib
import dataclasses
import importlib.util
import inspect
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.recipes import CHOICES, OPTIMIZERS, PUBLISHED, Recipe, find_recipe

BACKENDS = ("torch", "tensorflow", "jax")
DATASETS = ("fashion-mnist", "csv", "garments")
# The short names that the Makefile uses.
ALIASES = {"batch_size": ["--batch"], "learning_rate": ["--lr"]}
# Notes of TensorFlow's C++ that come whatever TF_CPP_MIN_LOG_LEVEL says.
CHATTER = re.compile(rb"I\d{4} |WARNING: All log messages before absl")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, 2 after a user's mistake, 130 after Ctrl-C."""
    try:
        try:
            with _no_lost_interrupts():
                return _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            # Here, where it does no harm that nobody reads our output any more.
            print(end="", flush=True)
    except UserError as error:
        print(f"fmkeras: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output, such as head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # Such as a full disk, or a folder where a file should be.
        path = error.filename2 or error.filename
        print(
            f"fmkeras: A file cannot be read or written ({error.strerror or error}); "
            "check its path, and that there is room. "
            f"Received: {'no path' if path is None else repr(str(path))}",
            file=sys.stderr,
        )
        return 2


def _run(arguments: list[str]) -> int:
    # The published projects write --batch_size where we write --batch-size.
    words = [
        re.sub("^--[^=]+", lambda flag: flag[0].replace("_", "-"), word)
        for word in arguments
    ]
    options, unknown = _parser().parse_known_args(words)
    if unknown:
        options.parser.error(f"unknown arguments: {' '.join(unknown)}")
    if "backend" in options:
        _set_backend(options.backend)
    return options.run(options) or 0


@contextlib.contextmanager
def _no_lost_interrupts() -> Iterator[None]:
    """Send Ctrl-C again where Python drops it, as in jax's callback of the collector.

    In such a place no exception can be raised; Python prints it and goes on.
    """
    before = sys.unraisablehook

    def send_again(unraisable):
        if unraisable.exc_type is KeyboardInterrupt:
            again = (os.getpid(), signal.SIGINT)
            threading.Timer(0.01, os.kill, again).start()
        else:
            before(unraisable)

    sys.unraisablehook = send_again
    try:
        yield
    finally:
        sys.unraisablehook = before


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, where argparse would print its usage too."""

    def error(self, message):
        message = " ".join(message.split())
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fmkeras",
        description="Image classifiers on Fashion-MNIST, in Keras 3, on torch, "
        "tensorflow or jax.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=lambda options: parser.print_help(), parser=parser)
    commands = parser.add_subparsers(metavar="COMMAND", help="one of those below")

    quickstart = _command(
        commands,
        "quickstart",
        _quickstart,
        "train a small network in about a minute: start here",
    )
    quickstart.epilog = (
        "Where Fashion-MNIST is neither found nor to be downloaded, it takes garments "
        "that the program draws, and says so."
    )
    _add_backend(quickstart)
    _add_data_dir(quickstart)
    _add_seed(quickstart)

    train = _command(commands, "train", _train, "train a network and save it")
    train.usage = "%(prog)s --model NAME [option ...]"
    train.epilog = "example: fmkeras train --model cnn --epochs 5 --backend jax"
    train.add_argument(
        "--model", required=True, metavar="NAME", help="see 'fmkeras models'"
    )
    _add_training(train)

    evaluate = _command(
        commands, "evaluate", _evaluate, "measure a .keras file on the test images"
    )
    evaluate.usage = "%(prog)s --model NAME|FILE [option ...]"
    evaluate.epilog = "example: fmkeras evaluate --model cnn --figure confusion.png"
    evaluate.add_argument(
        "--model",
        required=True,
        metavar="NAME|FILE",
        help="a name in --models-dir, or the path of a .keras file",
    )
    evaluate.add_argument(
        "--models-dir",
        default="saved_models",
        metavar="DIR",
        help="where names are looked up (default: saved_models)",
    )
    evaluate.add_argument("--json", metavar="FILE", help="write the figures there")
    evaluate.add_argument(
        "--figure", metavar="FILE", help="draw the confusion matrix (.png or .svg)"
    )
    _add_backend(evaluate)
    _add_data(evaluate)

    data = _command(
        commands, "data", _data, "say what data was found, where, and if it is intact"
    )
    _add_data_name(data)
    _add_data_dir(data)
    data.add_argument("--json", metavar="FILE", help="write the report there")
    data.add_argument(
        "--figure", metavar="FILE", help="draw twelve images a class (.png or .svg)"
    )

    repeat = _command(
        commands, "repeat", _repeat, "train over backends and seeds, keep the records"
    )
    repeat.add_argument("--model", required=True)
    repeat.add_argument("--name", required=True, help="of the study")
    repeat.add_argument("--backends", nargs="+", default=BACKENDS, choices=BACKENDS)
    repeat.add_argument("--seeds", nargs="+", type=_seed, default=(0, 1, 2))
    repeat.add_argument(
        "--epochs",
        type=_whole_number,
        help="further flags of train may follow after --",
    )
    repeat.add_argument("flags", nargs="*", metavar="-- FLAG ...")

    results = _command(
        commands, "results", _results, "make the READMEs' tables anew from the records"
    )
    results.add_argument(
        "--check", action="store_true", help="write nothing; exit 2 if any is stale"
    )

    pictures = _command(
        commands, "pictures", _pictures, "draw the README's pictures anew"
    )
    pictures.add_argument("--model", default="cnn", help="whose errors to show")
    _add_data_dir(pictures)

    # A list of our own: argparse's breaks the line of the longest name.
    lines = [
        f"  {name:<11} {command.description}"
        for name, command in commands.choices.items()
    ]
    parser.epilog = "\n".join(
        ["commands:", *lines, "", "Each says more: fmkeras COMMAND --help"]
    )
    return parser


def _command(commands, name: str, run, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=run, parser=parser)
    return parser


def _add_backend(parser) -> None:
    parser.add_argument(
        "--backend",
        default=os.environ.get("KERAS_BACKEND") or "torch",
        metavar="NAME",
        help="torch, tensorflow or jax (default: $KERAS_BACKEND, else torch)",
    )


def _add_data_dir(parser) -> None:
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="the folder of the data; for csv also TRAIN.csv,TEST.csv (default: "
        "$FMKERAS_DATA, else the usual places, else a download)",
    )


def _add_data_name(parser) -> None:
    parser.add_argument(
        "--data",
        choices=DATASETS,
        default="fashion-mnist",
        metavar="NAME",
        help="fashion-mnist (the default), csv (your files) or garments (drawn here)",
    )


def _add_seed(parser) -> None:
    parser.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="of the split, weights, order and dropout (default: 0)",
    )


def _add_data(parser) -> None:
    data = parser.add_argument_group("data")
    _add_data_name(data)
    _add_data_dir(data)
    for part, name in (("train", "training"), ("test", "test")):
        data.add_argument(
            f"--{part}-size",
            type=_whole_number,
            metavar="N",
            help=f"how many {name} images to draw (garments only)",
        )
    data.add_argument(
        "--data-seed",
        type=_seed,
        default=0,
        metavar="N",
        help="of the drawing (garments only; default: 0)",
    )


def _add_training(parser) -> None:
    _add_backend(parser)
    _add_seed(parser)
    parser.add_argument(
        "--out",
        "--model-save",
        default="saved_models",
        metavar="DIR",
        help="where the .keras file and its card go (default: saved_models)",
    )
    parser.add_argument(
        "--runs",
        default="runs",
        metavar="DIR",
        help="where the run gets a folder of its own (default: runs)",
    )
    parser.add_argument(
        "--resume",
        metavar="DIR",
        help="go on with an interrupted run: its folder; the other flags as they were",
    )
    _add_data(parser)
    network = parser.add_argument_group("network")
    network.add_argument(
        "--dropout", type=_number, metavar="RATE", help="of networks that have it"
    )
    network.add_argument(
        "--hidden-units",
        type=_whole_numbers,
        metavar="N,N,...",
        help="widths of the hidden layers of mlp",
    )
    recipe = parser.add_argument_group(
        "recipe",
        "How the network is trained. A field that is not given is the recipe's.",
    )
    recipe.add_argument(
        "--recipe",
        default="default",
        metavar="NAME|FILE",
        help="default (our own for the network), published (that of its source), one "
        f"of {', '.join(PUBLISHED)}, or a .json file such as a run's config.json",
    )
    texts = _field_texts()
    for field in dataclasses.fields(Recipe):
        if field.name != "name":
            _add_field(recipe, field, texts.get(field.name))


def _add_field(group, field: dataclasses.Field, text: str | None) -> None:
    flag = "--" + field.name.replace("_", "-")
    if field.type is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        return
    choices = OPTIMIZERS if field.name == "optimizer" else CHOICES.get(field.name)
    kind, metavar = {int: (_whole_number, "N"), float: (_number, "X")}.get(
        field.type, (str, "|".join(choices or ["NAME"]))
    )
    group.add_argument(
        flag,
        *ALIASES.get(field.name, []),
        dest=field.name,
        type=kind,
        metavar=metavar,
        help=text,
    )


def _field_texts() -> dict[str, str]:
    """What the docstring of `Recipe` says of each field."""
    attributes = inspect.getdoc(Recipe).partition("Attributes:")[2]
    texts = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE)
    return {
        name: " ".join(text.split()).rstrip(".").replace("`", "").replace("%", "%%")
        for name, text in texts
    }


def _whole_number(text: str) -> int:
    return _parse(int, text, "a whole number")


def _number(text: str) -> float:
    return _parse(float, text, "a number")


def _whole_numbers(text: str) -> tuple[int, ...]:
    words = text.split(",")
    return tuple(_parse(int, word, "whole numbers and commas") for word in words)


def _seed(text: str) -> int:
    seed = _whole_number(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 0. Received: {text!r}"
        )
    return seed


def _parse(kind: type, text: str, expected: str):
    try:
        return kind(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected {expected}. Received: {text!r}"
        ) from error


def _set_backend(backend: str) -> None:
    if backend not in BACKENDS:
        raise UserError(
            f"Unknown backend; expected one of: {', '.join(BACKENDS)}. "
            f"Received: {backend!r}"
        )
    if importlib.util.find_spec(backend) is None:
        raise UserError(
            f"The backend is not installed; expected the package '{backend}': install "
            f"it with 'pip install {backend}', or take another. Received: {backend!r}"
        )
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _load(options):
    from fmkeras.datasets import load_dataset

    return load_dataset(
        options.data,
        options.data_dir,
        seed=options.data_seed,
        train_size=options.train_size,
        test_size=options.test_size,
    )


def _train(options) -> None:
    from fmkeras.models import model_info
    from fmkeras.models.options import check_options

    # Before the data, whose loading may take a while.
    info = model_info(options.model)
    names = {"dropout": options.dropout, "hidden_units": options.hidden_units}
    net_options = {name: value for name, value in names.items() if value is not None}
    check_options(info, net_options)
    fields = [
        field.name for field in dataclasses.fields(Recipe) if field.name != "name"
    ]
    given = {name: getattr(options, name) for name in fields}
    changes = {name: value for name, value in given.items() if value is not None}
    recipe = find_recipe(options.recipe, options.model)
    if changes.get("optimizer", recipe.optimizer) != recipe.optimizer:
        # The recipe's weight decay and schedule were chosen for its own optimizer.
        changes = {"weight_decay": 0.0} | changes
        if changes["optimizer"] == "ranger21":
            changes = {"schedule": "constant", "warmup_epochs": 0.0} | changes
    recipe = recipe.replace(**changes)
    _run_training(options, recipe, _load(options), net_options, options.out)


def _quickstart(options) -> None:
    from fmkeras.datasets import DataNotFound, load_dataset

    try:
        dataset = load_dataset("fashion-mnist", options.data_dir)
    except DataNotFound as error:
        print(f"fmkeras: {error}", file=sys.stderr)
        print("=" * 72)
        print("STAND-IN DATA: training on garments drawn by this program. The figures")
        print("below say nothing about Fashion-MNIST.")
        print("=" * 72)
        dataset = load_dataset("garments")
    options.model, options.runs, options.resume = "cnn", "runs", None
    recipe = find_recipe("default", "cnn").replace(epochs=5)
    run = _run_training(options, recipe, dataset, {}, "runs/quickstart")
    print(f"Measure it again: make evaluate MODEL={run.artifact}")


def _run_training(options, recipe: Recipe, dataset, net_options: dict, out: str):
    _print_device()
    from fmkeras.training import train

    print(
        f"{options.model} on {dataset.name} ({dataset.source}), "
        f"recipe {recipe.name}, seed {options.seed}",
        flush=True,
    )
    run = train(
        options.model,
        recipe,
        dataset,
        seed=options.seed,
        options=net_options,
        out=out,
        runs=options.runs,
        resume=options.resume,
    )
    print(f"\nTest images, weights of epoch {run.record['kept_epoch']}:")
    print(run.evaluation.to_text())
    print(f"Model: {run.artifact} (card: {run.artifact.with_suffix('.json').name})")
    print(f"Run:   {run.folder}")
    return run


def _evaluate(options) -> None:
    dataset = _load(options)
    _print_device()
    from fmkeras.artifacts import load_artifact
    from fmkeras.engines import predict
    from fmkeras.evaluation import evaluate_model

    model = load_artifact(options.model, options.models_dir)
    evaluation = evaluate_model(model, dataset.x_test, dataset.y_test, predict)
    title = f"{Path(options.model).stem} on {len(dataset.y_test):,} test images"
    print(f"{title} of {dataset.name}")
    print(evaluation.to_text())
    if options.json:
        from fmkeras.files import write_json

        source = {"model": options.model, "dataset": dataset.name}
        write_json(options.json, source | evaluation.to_dict())
        print(f"Figures: {options.json}")
    if options.figure:
        from fmkeras.report.figures import plot_confusion_matrix

        plot_confusion_matrix(evaluation.confusion, options.figure, title)
        print(f"Picture: {options.figure}")


def _data(options) -> int:
    from fmkeras.datasets import describe_data, load_dataset

    dataset = None
    if options.data == "fashion-mnist":
        report = describe_data(options.data_dir)
        print(report.to_text())
        ok, content = report.ok, report.to_dict()
    else:
        dataset = load_dataset(options.data, options.data_dir)
        counts = {"train": len(dataset.y_train), "test": len(dataset.y_test)}
        print(f"{dataset.name}: {dataset.source}")
        print("In order: {train:,} training and {test:,} test images.".format(**counts))
        ok, content = True, {"ok": True, "source": dataset.source, **counts}
    if options.json:
        from fmkeras.files import write_json

        write_json(options.json, content)
        print(f"Report: {options.json}")
    if options.figure and ok:
        from fmkeras.report.figures import plot_samples

        dataset = dataset or load_dataset(options.data, options.data_dir)
        plot_samples(dataset.x_train, dataset.y_train, options.figure)
        print(f"Picture: {options.figure}")
    return 0 if ok else 2


def _repeat(options) -> None:
    from fmkeras.studies import repeat, summarise

    flags = [] if options.epochs is None else ["--epochs", str(options.epochs)]
    records = repeat(
        options.name,
        options.model,
        options.backends,
        options.seeds,
        flags + options.flags,
    )
    for row in summarise(records):
        spread = "" if row["spread"] is None else f" +- {row['spread']:.4f}"
        print(
            f"{row['model']} on {row['backend']}, {row['epochs']} epochs: test "
            f"accuracy {row['mean']:.4f}{spread} over {len(row['seeds'])} seeds"
        )


def _results(options) -> int:
    from fmkeras.report.tables import update_tables

    changed = update_tables(Path("."), write=not options.check)
    for name in changed:
        print(f"{name}: {'stale' if options.check else 'made anew'}")
    if not changed:
        print("Every table is fresh.")
    return 2 if changed and options.check else 0


def _pictures(options) -> None:
    import numpy as np

    from fmkeras.artifacts import read_card
    from fmkeras.datasets import load_dataset
    from fmkeras.report.figures import plot_confusion_matrix, plot_samples

    dataset = load_dataset("fashion-mnist", options.data_dir)
    samples = Path("saved_models/pictures/samples.png")
    plot_samples(dataset.x_train, dataset.y_train, samples)
    test = read_card(options.model)["test"]
    title = f"{options.model}: {test['count']:,} test images of {dataset.name}"
    confusion = Path("saved_models/pictures/confusion.png")
    plot_confusion_matrix(np.array(test["confusion_matrix"]), confusion, title)
    print(f"Pictures: {samples}, {confusion}")


def _print_device() -> None:
    with _without_chatter():
        import keras

    from fmkeras.engines.device import describe_device, unusable_gpu

    print(f"Backend {keras.backend.backend()}, {describe_device()}", flush=True)
    reason = unusable_gpu()
    if reason:
        print(reason, file=sys.stderr)


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what is written to stderr, by C++ too; then show what matters."""
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held_back.seek(0)
            for line in held_back:
                if not CHATTER.match(line):
                    os.write(2, line)


if __name__ == "__main__":
    sys.exit(main())
