"""The command publish: lay out a model for a hub and a release."""

from fmkeras.cli import flags
from fmkeras.cli.session import import_keras


def add_commands(add) -> None:
    """Declare publish; `add(name, run, text)` returns a parser."""
    parser = add("publish", publish, "lay out a model for a hub and for a release")
    parser.epilog = (
        "Folders for Hugging Face's hub and for a GitHub release are written; nothing "
        "is uploaded."
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="NAME|FILE",
        help="a name in --models-dir, or the path of a .keras file with its card",
    )
    parser.add_argument(
        "--to",
        default="publish",
        metavar="DIR",
        help="the folders are DIR/MODEL/... (default: publish)",
    )
    flags.add_models_dir(parser)
    flags.add_backend(parser)


def publish(args) -> None:
    """Lay out a model for a hub and for a release."""
    import_keras()
    from fmkeras.export.publish import publish_model

    hub, release = publish_model(args.model, args.to, folder=args.models_dir)
    print(f"Hugging Face: {hub} (huggingface-cli upload USER/MODEL {hub})")
    print(f"GitHub:       {release} (gh release create TAG {release}/*)")
