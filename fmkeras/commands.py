"""What each command does, given its parsed arguments; each returns an exit code."""

import dataclasses
import sys
from pathlib import Path

from fmkeras.command_parts import import_keras, load_data, print_device
from fmkeras.errors import UserError
from fmkeras.recipes import Recipe, complete_changes, find_options, find_recipe


def train(options) -> None:
    from fmkeras.models import model_info
    from fmkeras.models.options import check_options

    # Before the data, whose loading may take a while.
    info = model_info(options.model)
    names = {"dropout": options.dropout, "hidden_units": options.hidden_units}
    net_options = find_options(options.recipe, options.model)
    net_options |= {name: value for name, value in names.items() if value is not None}
    check_options(info, net_options)
    fields = [
        field.name for field in dataclasses.fields(Recipe) if field.name != "name"
    ]
    given = {name: getattr(options, name) for name in fields}
    changes = {name: value for name, value in given.items() if value is not None}
    recipe = find_recipe(options.recipe, options.model)
    changes = complete_changes(recipe, changes)
    if changes.get("data_split") == "full":
        changes = {"keep": "last"} | changes
    recipe = recipe.replace(**changes)
    _run_training(options, recipe, load_data(options), net_options, options.out)


def quickstart(options) -> None:
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
    print_device()
    import keras

    from fmkeras.engines.device import device_kind, multiplies_bfloat16
    from fmkeras.precision import resolve_precision
    from fmkeras.training import train as run_training

    backend = keras.backend.backend()
    precision = resolve_precision(
        recipe, options.model, backend, device_kind(), multiplies_bfloat16
    )
    print(
        f"{options.model} on {dataset.name} ({dataset.source}), "
        f"recipe {recipe.name}, {precision}, seed {options.seed}",
        flush=True,
    )
    run = run_training(
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


def data(options) -> int:
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


def results(options) -> int:
    from fmkeras.report.tables import update_tables

    changed = update_tables(Path("."), write=not options.check)
    for name in changed:
        print(f"{name}: {'stale' if options.check else 'made anew'}")
    if not changed:
        print("Every table is fresh.")
    return 2 if changed and options.check else 0


def pictures(options) -> None:
    import numpy as np

    from fmkeras.datasets import load_dataset
    from fmkeras.report.figures import plot_confusion_matrix, plot_samples
    from fmkeras.report.tables import saved_card

    card = saved_card(Path("."), options.model)
    if card is None:
        raise UserError(
            "There is no such card in saved_models; expected a network that was "
            f"trained: see saved_models. Received: {options.model!r}"
        )

    dataset = load_dataset("fashion-mnist", options.data_dir)
    samples = Path("saved_models/pictures/samples.png")
    plot_samples(dataset.x_train, dataset.y_train, samples)
    drawn = load_dataset("garments", train_size=1_000, test_size=10)
    garments = Path("saved_models/pictures/garments.png")
    plot_samples(drawn.x_train, drawn.y_train, garments)
    test = card["test"]
    title = f"{options.model}: {test['count']:,} test images of {dataset.name}"
    confusion = Path("saved_models/pictures/confusion.png")
    plot_confusion_matrix(np.array(test["confusion_matrix"]), confusion, title)
    print(f"Pictures: {samples}, {garments}, {confusion}")
    _draw_optimizers()


def _draw_optimizers() -> None:
    """Draw the runs of the studies optimizer-NAME, where there are any."""
    from fmkeras.report.curves import plot_runs
    from fmkeras.studies import RECORDS, read_records

    runs = {}
    for folder in sorted(RECORDS.glob("optimizer-*")):
        record = read_records(folder.name)[0]
        recipe = record["recipe"]
        label = f"{recipe['optimizer']}, rate {recipe['learning_rate']:g}"
        runs[label] = record
    if runs:
        path = Path("saved_models/pictures/optimizers.png")
        plot_runs(runs, path, f"{record['model']}, batch {recipe['batch_size']}")
        print(f"Picture: {path}")


def models(options) -> None:
    """Print the table of networks."""
    import_keras()
    from fmkeras.models.summary import model_rows, models_table

    rows = model_rows(models_dir=options.models_dir)
    print(models_table(rows, options.markdown))
    if options.json:
        from fmkeras.files import write_json

        write_json(options.json, rows)
        print(f"Table: {options.json}")


def show(options) -> None:
    """Print one network layer by layer."""
    from fmkeras.models import model_info

    model_info(options.model)
    import_keras()
    from fmkeras.models.summary import show_model

    print(show_model(options.model, options.markdown))
