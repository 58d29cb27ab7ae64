"""The flags of the commands that set networks beside PyTorch."""

from fmkeras import benchmark_commands, flags
from fmkeras.backends import BACKENDS


def add_benchmark_commands(add) -> None:
    """Declare parity and benchmark; `add(name, run, text)` returns a parser."""
    parity = add(
        "parity",
        benchmark_commands.parity,
        "prove the networks equal to PyTorch on every backend",
    )
    parity.add_argument("--model", metavar="NAME", help="one of them (default: all)")
    _add_backends(parity)
    parity.add_argument("--json", metavar="FILE", help="write the record there")

    benchmark = add(
        "benchmark",
        benchmark_commands.benchmark,
        "measure speed beside PyTorch and Keras's own fit",
    )
    benchmark.epilog = (
        "Networks that the record holds already, measured with the same settings, are "
        "not measured again. Leave the machine alone meanwhile."
    )
    benchmark.add_argument(
        "--model", nargs="+", metavar="NAME", help="one or more (default: all)"
    )
    _add_backends(benchmark)
    flags.add_device(benchmark, default="cpu")
    benchmark.add_argument(
        "--precision",
        nargs="+",
        choices=("float32", "bfloat16"),
        metavar="float32|bfloat16",
        help="of our engine, one or both (default: both)",
    )
    benchmark.add_argument(
        "--batch-size",
        type=flags.positive_number,
        metavar="N",
        help="of training (default: 128)",
    )
    benchmark.add_argument(
        "--quick",
        action="store_true",
        help="three small networks in few short rounds; a record of its own",
    )
    benchmark.add_argument(
        "--growth",
        action="store_true",
        help="training over batches of 32 to 4,096 and images of 28 to 224 pixels",
    )
    benchmark.add_argument("--json", metavar="FILE", help="write the record there")


def _add_backends(parser) -> None:
    parser.add_argument(
        "--backends",
        nargs="+",
        choices=BACKENDS,
        metavar="NAME",
        help="one or more (default: all three)",
    )
