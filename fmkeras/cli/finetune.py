"""The command finetune: what going on from a file is worth on few images."""

from fmkeras.cli import flags
from fmkeras.cli.session import load_data, print_device
from fmkeras.files import write_json
from fmkeras.models import model_info
from fmkeras.recipes import find_recipe
from fmkeras.records import FINETUNE

CLASSES = ("Pullover", "Coat", "Shirt")


def add_commands(add) -> None:
    """Declare finetune; `add(name, run, text)` returns a parser."""
    parser = add("finetune", finetune, "compare fine-tuning with training from scratch")
    parser.epilog = (
        "The model is pretrained on the other classes alone; both ways then train on "
        "the same few images by the same recipe. The record is kept in "
        f"{FINETUNE}, unless --out names another file."
    )
    parser.add_argument(
        "--model", default="cnn", metavar="NAME", help="the network (default: cnn)"
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        default=list(CLASSES),
        metavar="NAME",
        help=f"those to learn from few images (default: {', '.join(CLASSES)})",
    )
    for name, default, text in (
        ("images", 500, "training images of these classes, a tenth to validate"),
        ("pretrain-epochs", 5, "on the other classes"),
        ("epochs", 30, "on the few images"),
    ):
        parser.add_argument(
            f"--{name}",
            type=flags.positive_number,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=flags.seed,
        default=[0, 1, 2, 3, 4],
        metavar="N",
        help="of images, weights and order (default: 0 1 2 3 4)",
    )
    parser.add_argument(
        "--out", default=str(FINETUNE), metavar="FILE", help="where the record goes"
    )
    flags.add_backend(parser)
    flags.add_data(parser)


def finetune(args) -> None:
    """Compare fine-tuning with training from scratch, and keep the record."""
    args.model = model_info(args.model).name
    recipe = find_recipe("default", args.model).replace(
        epochs=args.epochs, batch_size=32, data_split="holdout", keep="best"
    )
    dataset = load_data(args)
    print_device()
    from fmkeras.experiments.finetune import finetune as run_finetune
    from fmkeras.experiments.finetune import finetune_text

    record = run_finetune(
        args.model,
        recipe,
        dataset,
        args.classes,
        images=args.images,
        pretrain_epochs=args.pretrain_epochs,
        seeds=args.seeds,
        folder="runs/finetune",
    )
    print(finetune_text(record))
    write_json(args.out, record)
    print(f"Record: {args.out}")
