"""The commands results and pictures: the generated parts of README and docs."""

from pathlib import Path

from fmkeras.cli import flags
from fmkeras.errors import UserError


def add_commands(add) -> None:
    """Declare results and pictures; `add(name, run, text)` returns a parser."""
    results_parser = add(
        "results",
        results,
        "make the READMEs' tables anew from the records",
    )
    results_parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 2 if any is stale"
    )

    pictures_parser = add("pictures", pictures, "draw the README's pictures anew")
    pictures_parser.add_argument(
        "--model", default="mynet", metavar="NAME", help="whose errors to show"
    )
    flags.add_data_dir(pictures_parser)


def results(args) -> int:
    from fmkeras.report.tables.update import update_tables
    from fmkeras.training.auto_figures import FIGURES, update_figures

    changed = update_tables(Path("."), write=not args.check)
    if update_figures(write=not args.check):
        changed.append(str(FIGURES.relative_to(Path.cwd())))
    for name in changed:
        print(f"{name}: {'stale' if args.check else 'made anew'}")
    if not changed:
        print("Every table is fresh.")
    return 2 if changed and args.check else 0


def pictures(args) -> None:
    import numpy as np

    from fmkeras.datasets import load_dataset
    from fmkeras.records import PICTURES
    from fmkeras.report.plots.figures import plot_confusion_matrix, plot_samples
    from fmkeras.report.tables.update import saved_card

    card = saved_card(Path("."), args.model)
    if card is None:
        raise UserError(
            "There is no such card in saved_models; expected a network that was "
            f"trained: see saved_models. Received: {args.model!r}"
        )

    dataset = load_dataset("fashion-mnist", args.data_dir)
    samples = PICTURES / "samples.png"
    plot_samples(dataset.x_train, dataset.y_train, samples)
    drawn = load_dataset("garments", train_size=1_000, test_size=10)
    garments = PICTURES / "garments.png"
    plot_samples(drawn.x_train, drawn.y_train, garments)
    test = card["test"]
    title = f"{args.model}: {test['count']:,} test images of {dataset.name}"
    confusion = PICTURES / "confusion.png"
    plot_confusion_matrix(np.array(test["confusion_matrix"]), confusion, title)
    print(f"Pictures: {samples}, {garments}, {confusion}")
    _draw_optimizers()


def _draw_optimizers() -> None:
    """Draw the runs of the studies optimizer-NAME, where there are any."""
    from fmkeras.records import PICTURES, RECORDS, read_records
    from fmkeras.report.plots.curves import plot_runs

    runs = {}
    for folder in sorted(RECORDS.glob("optimizer-*")):
        record = read_records(folder.name)[0]
        recipe = record["recipe"]
        label = f"{recipe['optimizer']}, rate {recipe['learning_rate']:g}"
        runs[label] = record
    if runs:
        path = PICTURES / "optimizers.png"
        plot_runs(runs, path, f"{record['model']}, batch {recipe['batch_size']}")
        print(f"Picture: {path}")
