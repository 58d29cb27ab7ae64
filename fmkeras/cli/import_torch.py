"""The command import-torch: weights of a PyTorch project as a `.keras` file."""

import hashlib
from pathlib import Path

from fmkeras.cli import flags
from fmkeras.cli.session import print_device
from fmkeras.errors import UserError

OUT = "runs/imported"


def add_commands(add) -> None:
    """Declare import-torch; `add(name, run, text)` returns a parser."""
    parser = add(
        "import-torch", import_torch, "bring a PyTorch project's weights into a .keras"
    )
    parser.usage = "%(prog)s FILE --model NAME [option ...]"
    parser.epilog = (
        "example: fmkeras import-torch weights.pt --model mlp. The file is a state "
        "dict; a whole pickled module is refused, since opening it runs code."
    )
    parser.add_argument(
        "file", metavar="FILE", help="a .pt, .pth, .bin, .npz or .safetensors file"
    )
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="see 'fmkeras models'"
    )
    parser.add_argument(
        "--preprocessing",
        choices=("scale", "standardise", "symmetric"),
        metavar="scale|standardise|symmetric",
        help="how the weights saw the pixels: 0 to 1, standardised or -1 to 1 "
        "(default: as the network's source has them)",
    )
    parser.add_argument(
        "--hidden-units",
        action=flags.WholeNumbers,
        nargs="+",
        metavar="N",
        help="widths of the hidden layers of mlp (default: as the file has them)",
    )
    parser.add_argument(
        "--out",
        default=OUT,
        metavar="DIR",
        help=f"where the .keras file and its card go (default: {OUT})",
    )
    flags.add_backend(parser)
    flags.add_data_dir(parser)


def import_torch(args) -> None:
    """Read the weights, save the model, and measure it where the data are there."""
    model_options = {}
    if args.hidden_units is not None:
        model_options["hidden_units"] = args.hidden_units
    path, evaluation = bring_in(
        args.file,
        args.model,
        model_options,
        args.preprocessing,
        args.out,
        lambda: _dataset(args),
    )
    if evaluation is not None:
        from fmkeras.evaluation.text import evaluation_text

        print(evaluation_text(evaluation))
    print(f"Model: {path} (card: {path.with_suffix('.json').name})")


def bring_in(
    file: str,
    name: str,
    model_options: dict,
    preprocessing: str | None = None,
    out: str = OUT,
    dataset=lambda: None,
):
    """Save a file of PyTorch weights as `OUT/NAME.keras`.

    Prints which weight went where. Returns the path and the figures on the test images
    of what `dataset()` returns, None where that is None.
    """
    from fmkeras.benchmark.pytorch.state_dict import hidden_widths, read_state_dict
    from fmkeras.models import model_info
    from fmkeras.models.options import check_options

    info = model_info(name)
    check_options(info, model_options)
    arrays = read_state_dict(file)
    if "hidden_units" in info.options and not model_options:
        widths = hidden_widths(arrays)
        model_options = {"hidden_units": widths} if widths else {}
    print_device()
    from fmkeras.artifacts.imported import save_imported
    from fmkeras.benchmark.pytorch.match import match_arrays
    from fmkeras.benchmark.pytorch.weights import import_arrays
    from fmkeras.models import build_model
    from fmkeras.recipes import find_recipe

    if preprocessing is None:
        preprocessing = find_recipe("published", info.name).preprocessing
    model = build_model(info.name, preprocessing=preprocessing, **model_options)
    found = match_arrays(model, arrays)
    import_arrays(model, {ours: array for _, ours, array in found})
    for theirs, ours, array in found:
        print(f"  {theirs:<28} {str(array.shape):<18} {ours}")
    print(f"{info.name}, {model.count_params():,} weights, pixels: {preprocessing}")
    origin = {
        "file": Path(file).name,
        "sha256": hashlib.sha256(Path(file).read_bytes()).hexdigest(),
        "keys": {ours: theirs for theirs, ours, _ in found},
    }
    return save_imported(model, model_options, preprocessing, origin, dataset(), out)


def _dataset(args):
    """Return Fashion-MNIST where it is found; the import itself does without."""
    from fmkeras.datasets import DataNotFound, load_dataset

    try:
        return load_dataset("fashion-mnist", args.data_dir)
    except DataNotFound as error:
        if args.data_dir:
            raise UserError(str(error)) from error
        print(f"Not measured: {error}")
        return None
