"""The flags of the commands that use trained models."""

from fmkeras import flags, measure_commands


def add_measure_commands(add) -> None:
    """Declare evaluate, compare, predict; `add(name, run, text)` returns a parser."""
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

    predict = add(
        "predict", measure_commands.predict, "say what is on pictures of your own"
    )
    predict.usage = "%(prog)s --model NAME|FILE PICTURE|DIR [...] [option ...]"
    predict.epilog = (
        "Each picture is made 28 x 28 as the data set was: trimmed, shrunk, centred "
        "and, where it is dark on light, negated."
    )
    predict.add_argument(
        "pictures",
        nargs="+",
        metavar="PICTURE|DIR",
        help="picture files, grey, coloured or transparent, or folders of them",
    )
    predict.add_argument(
        "--model",
        required=True,
        metavar="NAME|FILE",
        help="a name in --models-dir, or the path of a .keras file",
    )
    flags.add_models_dir(predict)
    predict.add_argument(
        "--out",
        default="runs/predictions",
        metavar="DIR",
        help="where the 28 x 28 pixels that the model saw are written "
        "(default: runs/predictions)",
    )
    predict.add_argument(
        "--csv",
        metavar="FILE",
        help="write a table (default for a folder: predictions.csv in --out)",
    )
    flags.add_backend(predict)
