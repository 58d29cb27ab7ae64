"""The commands results and pictures: the generated parts of README and docs."""

import json
from pathlib import Path

from fmkeras.cli import flags
from fmkeras.cli.session import import_keras
from fmkeras.errors import UserError
from fmkeras.text.values import value_text


def add_commands(add) -> None:
    """Declare results and pictures; `add(name, run, text)` returns a parser."""
    results_parser = add(
        "results",
        results,
        "generate the tables of README and docs",
    )
    results_parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 2 if any is stale"
    )

    pictures_parser = add("pictures", pictures, "draw the images of the docs")
    pictures_parser.add_argument(
        "--model",
        default="mynet",
        metavar="NAME",
        help="the saved model whose confusion matrix to draw (default: mynet)",
    )
    flags.add_data_dir(pictures_parser)


def results(args) -> int:
    """Generate the tables of README and docs from cards and records."""
    import_keras()
    from fmkeras.records import RECORDS
    from fmkeras.report.tables.update import update_tables
    from fmkeras.training.auto_figures import FIGURES, update_figures

    if not (RECORDS.is_dir() and FIGURES.resolve().is_relative_to(Path.cwd())):
        raise UserError(
            "The tables are made in a checkout of the project, from its records; "
            f"expected {RECORDS}/ and fmkeras/ in this folder: go there. "
            f"Received: {str(Path.cwd())!r}"
        )
    changed = update_tables(Path("."), write=not args.check)
    if update_figures(write=not args.check):
        changed.append(str(FIGURES.resolve().relative_to(Path.cwd())))
    for name in changed:
        print(f"{name}: {'stale' if args.check else 'made anew'}")
    if not changed:
        print("Every table is fresh.")
    return 2 if changed and args.check else 0


def pictures(args) -> None:
    """Draw the images of docs from the data, the cards and the records."""
    import_keras()
    from fmkeras.datasets import load_dataset
    from fmkeras.records import PICTURES

    dataset = load_dataset("fashion-mnist", args.data_dir)
    drawn = [
        *_draw_samples(dataset, PICTURES),
        _draw_confusion(args.model, dataset, PICTURES),
        _draw_label_issues(dataset, PICTURES),
        _draw_optimizers(PICTURES),
        *_draw_speed(),
    ]
    print(f"Pictures: {', '.join(map(str, drawn))}")


def _draw_samples(dataset, folder: Path) -> list[Path]:
    from fmkeras.datasets import load_dataset
    from fmkeras.report.plots.figures import plot_samples

    drawn = load_dataset("garments", train_size=1_000, test_size=10)
    made = []
    for data, name in ((dataset, "samples"), (drawn, "garments")):
        made.append(folder / f"{name}.png")
        plot_samples(data.x_train, data.y_train, made[-1])
    return made


def _draw_confusion(model: str, dataset, folder: Path) -> Path:
    import numpy as np

    from fmkeras.records import saved_card
    from fmkeras.report.doc_images import stamp
    from fmkeras.report.plots.figures import plot_confusion_matrix

    card = saved_card(Path("."), model)
    if card is None:
        raise UserError(
            "There is no such card in saved_models; expected a network that was "
            f"trained: see saved_models. Received: {model!r}"
        )
    test, path = card["test"], folder / "confusion.png"
    title = f"{model}: {test['count']:,} test images of {dataset.name}"
    plot_confusion_matrix(np.array(test["confusion_matrix"]), path, title)
    stamp(path, models=[model])
    return path


def _draw_label_issues(dataset, folder: Path) -> Path:
    """Draw the first label issues of the audit's record, with the verdicts."""
    from fmkeras.records import AUDIT
    from fmkeras.report.doc_images import stamp
    from fmkeras.report.plots.label_issues import plot_label_issues

    issues = json.loads(AUDIT.read_text(encoding="utf-8"))["looked_at"]["images"]
    path = folder / "label-issues.png"
    plot_label_issues(dataset.x_train, issues, dataset.class_names, path)
    stamp(path, records=[AUDIT])
    return path


def _draw_optimizers(folder: Path) -> Path:
    """Draw one run of each study optimizer-NAME."""
    from fmkeras.records import RECORDS
    from fmkeras.report.doc_images import stamp
    from fmkeras.report.plots.curves import plot_runs

    paths = [min(f.glob("*.json")) for f in sorted(RECORDS.glob("optimizer-*"))]
    runs = {}
    for record in (json.loads(path.read_text(encoding="utf-8")) for path in paths):
        recipe = record["recipe"]
        label = f"{recipe['optimizer']}, rate {value_text(recipe['learning_rate'])}"
        runs[label] = record
    picture = folder / "optimizers.png"
    plot_runs(runs, picture, f"{record['model']}, batch {recipe['batch_size']}")
    stamp(picture, records=paths)
    return picture


def _draw_speed() -> list[Path]:
    """Draw the benchmarks' pictures beside their records."""
    from fmkeras.records import speed_record
    from fmkeras.report.doc_images import stamp
    from fmkeras.report.plots.speed import plot_scaling, plot_speed

    made = []
    for device in ("cpu", "gpu"):
        for scaling, plot in ((False, plot_speed), (True, plot_scaling)):
            record = speed_record(device, scaling)
            if record.exists():
                made.append(record.with_suffix(".png"))
                plot(json.loads(record.read_text(encoding="utf-8")), made[-1])
                stamp(made[-1], records=[record])
    return made
