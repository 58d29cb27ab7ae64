"""The flags of the commands that measure trained models."""

from fmkeras import flags, measure_commands


def add_measure_commands(add) -> None:
    """Declare evaluate and compare; `add(name, run, text)` returns a parser."""
    evaluate = add(
        "evaluate", measure_commands.evaluate, "measure .keras files on the test images"
    )
    evaluate.usage = "%(prog)s --model NAME|FILE [...] [option ...]"
    evaluate.epilog = "example: fmkeras evaluate --model cnn --figure confusion.png"
    evaluate.add_argument(
        "--model",
        required=True,
        nargs="+",
        metavar="NAME|FILE",
        help="names in --models-dir, paths of .keras files, or all",
    )
    flags.add_models_dir(evaluate)
    evaluate.add_argument("--json", metavar="FILE", help="write the figures there")
    evaluate.add_argument(
        "--figure", metavar="FILE", help="draw the confusion matrix (.png or .svg)"
    )
    evaluate.add_argument(
        "--reliability",
        metavar="FILE",
        help="draw accuracy against confidence (.png or .svg)",
    )
    flags.add_backend(evaluate)
    flags.add_data(evaluate)

    compare = add(
        "compare",
        measure_commands.compare,
        "compare .keras files on the same test images",
    )
    compare.usage = "%(prog)s --models NAME|FILE NAME|FILE [...] [option ...]"
    compare.epilog = (
        "Several files of one network, of different seeds, have their mean and spread "
        "told too."
    )
    compare.add_argument(
        "--models",
        required=True,
        nargs="+",
        metavar="NAME|FILE",
        help="two or more: names in --models-dir, paths, or all",
    )
    flags.add_models_dir(compare)
    compare.add_argument("--json", metavar="FILE", help="write the figures there")
    flags.add_backend(compare)
    flags.add_data(compare)
