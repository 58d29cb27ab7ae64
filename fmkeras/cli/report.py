"""The commands audit and report."""

from fmkeras.cli import flags
from fmkeras.cli.session import (
    load_data,
    naming_what_goes_on,
    print_device,
    split_words,
)
from fmkeras.recipes import find_recipe


def add_commands(add) -> None:
    """Declare audit and report; `add(name, run, text)` returns a parser."""
    audit_parser = add("audit", audit, "list likely label errors and near duplicates")
    audit_parser.epilog = (
        "One model per fold classifies the training images that it was not trained "
        "on; their mean classifies the test images. Finished folds are kept."
    )
    audit_parser.add_argument(
        "--model",
        default="cnn",
        metavar="NAME",
        help="the network to train, by its default recipe (default: cnn)",
    )
    audit_parser.add_argument(
        "--epochs",
        type=flags.whole_number,
        default=4,
        metavar="N",
        help="epochs of each training (default: 4)",
    )
    audit_parser.add_argument(
        "--folds",
        type=flags.at_least(2),
        default=3,
        metavar="N",
        help="number of folds of the training images (default: 3)",
    )
    audit_parser.add_argument(
        "--out",
        default="runs/audit",
        metavar="DIR",
        help="folder of the folds and the result (default: runs/audit)",
    )
    flags.add_seed(audit_parser)
    flags.add_backend(audit_parser)
    flags.add_data(audit_parser)
    _add_report(add)


def _add_report(add) -> None:
    report_parser = add("report", report, "write HTML pages about trained models")
    report_parser.epilog = (
        "The pages open from the disk. Predictions are cached and computed again "
        "only for files that changed."
    )
    report_parser.add_argument(
        "--models",
        nargs="+",
        default=["all"],
        metavar="NAME|FILE",
        help="names in --models-dir, paths of .keras files, or all (the default)",
    )
    report_parser.add_argument(
        "--run",
        dest="run_folder",
        metavar="DIR",
        help="report on this run alone, in DIR/report",
    )
    report_parser.add_argument(
        "--out", metavar="DIR", help="where the pages go (default: runs/report)"
    )
    report_parser.add_argument(
        "--image",
        type=flags.whole_number,
        default=0,
        metavar="N",
        help="the test image whose feature maps are shown (default: 0)",
    )
    report_parser.add_argument(
        "--runs",
        nargs="+",
        default=["runs"],
        metavar="DIR",
        help="where the models' runs are looked for (default: runs)",
    )
    report_parser.add_argument(
        "--audit",
        default="runs/audit/audit.json",
        metavar="FILE",
        help="the result of an audit (default: runs/audit/audit.json)",
    )
    report_parser.add_argument(
        "--try",
        dest="try_pages",
        default="try",
        metavar="DIR",
        help="the pages of make try, linked where there are any (default: try)",
    )
    flags.add_models_dir(report_parser)
    flags.add_pixels(report_parser)
    flags.add_backend(report_parser)
    flags.add_data(report_parser)


@naming_what_goes_on()
def audit(args) -> None:
    """List labels that are likely wrong, and test images in the training set."""
    from fmkeras.models import model_info

    model_info(args.model)
    recipe = find_recipe("default", args.model).replace(epochs=args.epochs)
    dataset = load_data(args)
    print_device()
    from fmkeras.analysis.label_issues import RESULT, audit_text
    from fmkeras.analysis.label_issues import audit as run_audit

    result = run_audit(
        dataset,
        args.model,
        recipe,
        folder=args.out,
        folds=args.folds,
        seed=args.seed,
    )
    print(audit_text(result))
    print(f"Audit: {args.out}/{RESULT} (make report shows the images)")


def report(args) -> None:
    """Write pages about trained models, or about one run."""
    dataset = load_data(args)
    print_device()
    from fmkeras.artifacts.lookup import find_models
    from fmkeras.engines.device import describe_device
    from fmkeras.report.site.build import report_on_run, report_on_saved

    if args.run_folder:
        out = args.out or f"{args.run_folder}/report"
        page = report_on_run(args.run_folder, dataset, out=out, image=args.image)
    else:
        names = split_words(args.models)
        page = report_on_saved(
            find_models(names, args.models_dir, dataset.name),
            dataset,
            models_dir=args.models_dir,
            out=args.out or "runs/report",
            runs=args.runs,
            audit=args.audit,
            try_pages=args.try_pages,
            image=args.image,
            device=describe_device(),
            pixels=args.pixels,
        )
    print(f"Report: {page} (open it in a browser)")
