"""The flags of the commands that look into trained models and the data."""

import argparse

from fmkeras import flags, report_commands


def add_report_commands(add) -> None:
    """Declare audit and report; `add(name, run, text)` returns a parser."""
    audit = add(
        "audit", report_commands.audit, "list labels that are likely wrong, and twins"
    )
    audit.epilog = (
        "One model a fold of the training images judges those that it did not see; "
        "their mean judges the test images. Finished folds are kept."
    )
    audit.add_argument(
        "--model",
        default="cnn",
        metavar="NAME",
        help="the network that judges, by its default recipe (default: cnn)",
    )
    audit.add_argument(
        "--epochs",
        type=flags.whole_number,
        default=4,
        metavar="N",
        help="of each of its trainings (default: 4)",
    )
    audit.add_argument(
        "--folds",
        type=_folds,
        default=3,
        metavar="N",
        help="how many parts the training images are divided into (default: 3)",
    )
    audit.add_argument(
        "--out",
        default="runs/audit",
        metavar="DIR",
        help="where folds and findings are kept (default: runs/audit)",
    )
    flags.add_seed(audit)
    flags.add_backend(audit)
    flags.add_data(audit)
    _add_report(add)


def _add_report(add) -> None:
    report = add(
        "report", report_commands.report, "write pages about trained nets: a web site"
    )
    report.epilog = (
        "The pages open from the disk. What the nets say of the images is kept and "
        "computed again only for files that changed."
    )
    report.add_argument(
        "--models",
        nargs="+",
        default=["all"],
        metavar="NAME|FILE",
        help="names in --models-dir, paths of .keras files, or all (the default)",
    )
    report.add_argument(
        "--run",
        dest="run_folder",
        metavar="DIR",
        help="report on this run alone, in its folder report",
    )
    report.add_argument(
        "--out", metavar="DIR", help="where the pages go (default: runs/report)"
    )
    report.add_argument(
        "--image",
        type=flags.whole_number,
        default=0,
        metavar="N",
        help="the test image whose feature maps are shown (default: 0)",
    )
    report.add_argument(
        "--runs",
        nargs="+",
        default=["runs"],
        metavar="DIR",
        help="where the runs of the models are looked for (default: runs)",
    )
    report.add_argument(
        "--audit",
        default="runs/audit/audit.json",
        metavar="FILE",
        help="what make audit found (default: runs/audit/audit.json)",
    )
    flags.add_models_dir(report)
    flags.add_backend(report)
    flags.add_data(report)


def _folds(text: str) -> int:
    folds = flags.whole_number(text)
    if folds < 2:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 2. Received: {text!r}"
        )
    return folds
