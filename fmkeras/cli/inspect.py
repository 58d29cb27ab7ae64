"""The commands data, models and show."""

from pathlib import Path

from fmkeras.cli import flags
from fmkeras.cli.session import import_keras
from fmkeras.records import SAVED_MODELS

AUGMENTED_IMAGES = 12


def add_commands(add) -> None:
    """Declare data, models and show; `add(name, run, text)` returns a parser."""
    data_parser = add(
        "data",
        data,
        "print what data was found, where, and if it is intact",
    )
    flags.add_data_name(data_parser)
    flags.add_data_dir(data_parser)
    flags.add_pictures(data_parser)
    data_parser.add_argument(
        "--json", metavar="FILE", help="write the report to a file"
    )
    data_parser.add_argument(
        "--figure", metavar="FILE", help="draw twelve images a class (.png or .svg)"
    )
    data_parser.add_argument(
        "--classes", metavar="FILE", help="draw how many images each class has"
    )
    data_parser.add_argument(
        "--augmented",
        metavar="FILE",
        help="draw images beside what the --recipe's augmentation makes of them",
    )
    data_parser.add_argument(
        "--recipe",
        default="fashionnet",
        metavar="NAME|FILE",
        help="of --augmented: a published recipe or a .json file (default: fashionnet)",
    )

    models_parser = add("models", models, "list the networks")
    models_parser.add_argument(
        "--models-dir",
        default=str(SAVED_MODELS),
        metavar="DIR",
        help="folder whose file sizes are shown (default: saved_models)",
    )
    models_parser.add_argument("--markdown", action="store_true", help="as Markdown")
    models_parser.add_argument(
        "--json", metavar="FILE", help="write the table to a file too"
    )
    flags.add_backend(models_parser)

    show_parser = add("show", show, "print a network layer by layer")
    show_parser.add_argument(
        "model",
        metavar="NAME|FILE",
        help="see 'fmkeras models', or the path of a .keras file",
    )
    show_parser.add_argument("--markdown", action="store_true", help="as Markdown")
    flags.add_backend(show_parser)


def data(args) -> int:
    """Print which data files were found, where, and whether they are intact."""
    from fmkeras.datasets import describe_data, load_dataset
    from fmkeras.datasets.data_report import class_counts, counts_text
    from fmkeras.report.plots.figures import check_figures

    check_figures(args.figure, args.classes, args.augmented)
    dataset = None
    if args.data == "fashion-mnist" and args.resize == "stretch" and not args.skip_bad:
        report = describe_data(args.data_dir)
        print(report.to_text())
        ok, content = report.ok, report.to_dict()
    else:
        dataset = load_dataset(
            args.data, args.data_dir, resize=args.resize, skip_bad=args.skip_bad
        )
        counts = {"train": len(dataset.y_train), "test": len(dataset.y_test)}
        print(f"{dataset.name}: {dataset.source}")
        classes = class_counts(dataset)
        print(counts_text(classes))
        print("In order: {train:,} training and {test:,} test images.".format(**counts))
        ok, content = True, {"ok": True, "source": dataset.source, **counts}
        content["class_counts"] = classes
    if args.json:
        from fmkeras.files import write_json

        write_json(args.json, content)
        print(f"Report: {args.json}")
    if ok and (args.figure or args.classes or args.augmented):
        _draw(args, dataset or load_dataset(args.data, args.data_dir))
    return 0 if ok else 2


def _draw(args, dataset) -> None:
    from fmkeras.report.plots import figures

    if args.figure:
        figures.plot_samples(
            dataset.x_train,
            dataset.y_train,
            args.figure,
            class_names=dataset.class_names,
        )
        print(f"Figure: {args.figure}")
    if args.classes:
        figures.plot_class_counts(
            dataset.y_train, dataset.y_test, args.classes, dataset.class_names
        )
        print(f"Picture: {args.classes}")
    if args.augmented:
        from fmkeras.recipes import find_recipe

        recipe = find_recipe(args.recipe, "mynet")
        import_keras()
        from fmkeras.training.builders import build_augmentation

        augmentation = build_augmentation(recipe)
        images = dataset.x_train[:AUGMENTED_IMAGES]
        if augmentation.mixes:
            print("The recipe mixes images too, with their labels: not drawn.")
            augmentation = augmentation.unmixed()
        changed = [augmentation.augment(images, 0, epoch) for epoch in range(3)]
        figures.plot_augmented(images, changed, args.augmented)
        print(f"Picture: {args.augmented} (recipe {recipe.name})")


def models(args) -> None:
    """Print the table of networks."""
    import_keras()
    from fmkeras.models.summary import model_rows, models_table

    rows = model_rows(models_dir=args.models_dir)
    print(models_table(rows, args.markdown))
    if args.json:
        from fmkeras.files import write_json

        write_json(args.json, rows)
        print(f"Table: {args.json}")


def show(args) -> None:
    """Print one network, or the model of a file, layer by layer."""
    from fmkeras.models import model_info

    if Path(args.model).suffix == ".keras":
        import_keras()
        from fmkeras.artifacts.keras_file import load_artifact
        from fmkeras.models.summary import layer_rows, show_rows

        print(show_rows(layer_rows(load_artifact(args.model)), args.markdown))
        return
    model_info(args.model)
    import_keras()
    from fmkeras.models.summary import show_model

    print(show_model(args.model, args.markdown))
