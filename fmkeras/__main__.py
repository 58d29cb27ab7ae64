"""The command line: parse, set the backend, call one function."""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

from fmkeras.errors import UserError
from fmkeras.recipes import CHOICES, OPTIMIZERS, Recipe, find_recipe

BACKENDS = ("torch", "tensorflow", "jax")
DATASETS = ("fashion-mnist", "csv", "garments")
# The short names that the Makefile and the published projects use.
ALIASES = {
    "batch_size": ("--batch", "--batch_size"),
    "learning_rate": ("--lr", "--learning_rate"),
    "weight_decay": ("--weight_decay",),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, 2 after a user's mistake, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        if "backend" in options:
            _set_backend(options.backend)
        return options.run(options) or 0
    except UserError as error:
        sys.stdout.flush()
        print(f"fmkeras: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output, such as head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, where argparse would print its usage too."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fmkeras",
        description="Image classifiers on Fashion-MNIST, in Keras 3, on torch, "
        "tensorflow or jax.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    train = _command(commands, "train", _train, "train a network and save it")
    train.add_argument("--model", required=True, help="its name: see 'fmkeras models'")
    _add_training(train)
    train.add_argument(
        "--model-save",
        "--model_save",
        "--out",
        dest="out",
        default="saved_models",
        metavar="DIR",
        help="where the .keras file and its card go (default: saved_models)",
    )

    quickstart = _command(
        commands,
        "quickstart",
        _quickstart,
        "train a small network in about a minute, on drawn garments where "
        "Fashion-MNIST is not to be had",
    )
    _add_backend(quickstart)
    _add_data_dir(quickstart)
    quickstart.add_argument("--seed", type=int, default=0)

    evaluate = _command(
        commands, "evaluate", _evaluate, "measure a .keras file on the test images"
    )
    evaluate.add_argument(
        "--model", required=True, help="a name in --models-dir, or a .keras path"
    )
    evaluate.add_argument("--models-dir", default="saved_models", metavar="DIR")
    evaluate.add_argument("--json", metavar="FILE", help="write the figures there")
    evaluate.add_argument(
        "--figure", metavar="FILE", help="draw the confusion matrix (.png or .svg)"
    )
    _add_backend(evaluate)
    _add_data(evaluate)

    data = _command(
        commands, "data", _data, "say what data was found, where, and if it is intact"
    )
    _add_data_dir(data)
    data.add_argument("--json", metavar="FILE", help="write the report there")
    data.add_argument("--figure", metavar="FILE", help="draw twelve images a class")
    data.add_argument("--data", choices=DATASETS, default="fashion-mnist")

    repeat = _command(
        commands, "repeat", _repeat, "train over backends and seeds, keep the records"
    )
    repeat.add_argument("--model", required=True)
    repeat.add_argument("--name", required=True, help="of the study")
    repeat.add_argument("--backends", nargs="+", default=BACKENDS, choices=BACKENDS)
    repeat.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    repeat.add_argument(
        "--epochs", type=int, help="further flags of train may follow after --"
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
    return parser


def _command(commands, name: str, run, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text.capitalize() + ".")
    parser.set_defaults(run=run)
    return parser


def _add_backend(parser) -> None:
    parser.add_argument(
        "--backend",
        default=os.environ.get("KERAS_BACKEND") or "torch",
        help="torch, tensorflow or jax (default: $KERAS_BACKEND, else torch)",
    )


def _add_data_dir(parser) -> None:
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="the folder of the data; for csv also TRAIN.csv,TEST.csv (default: "
        "$FMKERAS_DATA, else the usual places, else a download)",
    )


def _add_data(parser) -> None:
    parser.add_argument(
        "--data",
        choices=DATASETS,
        default="fashion-mnist",
        help="the images: the real ones, your CSV files, or garments drawn here",
    )
    _add_data_dir(parser)
    for part in ("train", "test"):
        parser.add_argument(
            f"--{part}-size",
            type=int,
            metavar="N",
            help=f"how many {part} images to draw (garments only)",
        )
    parser.add_argument("--data-seed", type=int, default=0, help="of drawn garments")


def _add_training(parser) -> None:
    _add_backend(parser)
    _add_data(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the whole run")
    parser.add_argument("--runs", default="runs", metavar="DIR", help="for run folders")
    parser.add_argument("--resume", metavar="DIR", help="go on with a run's folder")
    parser.add_argument("--dropout", type=float, help="rate, where the net has it")
    parser.add_argument(
        "--hidden-units",
        "--hidden_units",
        type=_whole_numbers,
        metavar="N,N,...",
        help="widths of the hidden layers of mlp",
    )
    recipe = parser.add_argument_group(
        "recipe", "Choose a recipe, then change any of its fields."
    )
    recipe.add_argument(
        "--recipe",
        default="default",
        metavar="NAME|FILE",
        help="default, or a .json file such as a run's config.json",
    )
    for field in dataclasses.fields(Recipe):
        if field.name != "name":
            _add_field(recipe, field)


def _add_field(group, field: dataclasses.Field) -> None:
    flag = "--" + field.name.replace("_", "-")
    if field.type is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction)
        return
    choices = OPTIMIZERS if field.name == "optimizer" else CHOICES.get(field.name)
    group.add_argument(
        flag,
        *ALIASES.get(field.name, ()),
        dest=field.name,
        type=field.type,
        metavar="|".join(choices) if choices else field.type.__name__.upper(),
    )


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _set_backend(backend: str) -> None:
    if backend not in BACKENDS:
        raise UserError(
            f"Unknown backend; expected one of: {', '.join(BACKENDS)}. "
            f"Received: {backend!r}"
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

    model_info(options.model)
    fields = [
        field.name for field in dataclasses.fields(Recipe) if field.name != "name"
    ]
    given = {name: getattr(options, name) for name in fields}
    changes = {name: value for name, value in given.items() if value is not None}
    recipe = find_recipe(options.recipe, options.model).replace(**changes)
    names = {"dropout": options.dropout, "hidden_units": options.hidden_units}
    net_options = {name: value for name, value in names.items() if value is not None}
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

    if options.figure:
        from fmkeras.report.figures import plot_samples

        dataset = load_dataset(options.data, options.data_dir)
        plot_samples(dataset.x_train, dataset.y_train, options.figure)
        print(f"Picture of {dataset.name}: {options.figure}")
        return 0
    report = describe_data(options.data_dir)
    print(report.to_text())
    if options.json:
        from fmkeras.files import write_json

        write_json(options.json, report.to_dict())
    return 0 if report.ok else 2


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
    import keras

    from fmkeras.engines.device import describe_device, unusable_gpu

    print(f"Backend {keras.backend.backend()}, {describe_device()}", flush=True)
    reason = unusable_gpu()
    if reason:
        print(reason, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
