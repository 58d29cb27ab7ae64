"""The commands parity and benchmark: our engines beside PyTorch."""

import sys
from pathlib import Path

from fmkeras.backends import BACKENDS
from fmkeras.cli import flags
from fmkeras.cli.session import import_keras, split_words
from fmkeras.errors import UserError


def add_commands(add) -> None:
    """Declare parity and benchmark; `add(name, run, text)` returns a parser."""
    _add_parity(add)
    _add_benchmark(add)
    _add_fit(add)
    _add_check(add)


def _add_parity(add) -> None:
    parser = add(
        "parity",
        parity,
        "compare the networks with PyTorch on every backend",
    )
    parser.add_argument(
        "--model", nargs="+", metavar="NAME", help="one or more (default: all)"
    )
    _add_backends(parser)
    parser.add_argument("--json", metavar="FILE", help="write the record to a file")


def _add_benchmark(add) -> None:
    parser = add(
        "benchmark",
        benchmark,
        "measure speed beside PyTorch and Keras's fit",
    )
    parser.epilog = (
        "Networks already in the record with the same settings are not measured "
        "again. Run nothing else on the machine meanwhile."
    )
    parser.add_argument(
        "--model", nargs="+", metavar="NAME", help="one or more (default: all)"
    )
    _add_backends(parser)
    flags.add_device(parser, default="cpu")
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=("float32", "bfloat16"),
        metavar="float32|bfloat16",
        help="precision of our engine, one or both (default: both where the "
        "device has hardware for bfloat16, else float32)",
    )
    parser.add_argument(
        "--batch-size",
        type=flags.positive_number,
        metavar="N",
        help="batch size of training (default: 128)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="three small networks in few short rounds, in a record of its own",
    )
    parser.add_argument(
        "--growth",
        action="store_true",
        help="training over batches of 32 to 4,096 and images of 28 to 224 pixels",
    )
    parser.add_argument(
        "--scaling",
        action="store_true",
        help="training in one process and in two, each on a core of its own",
    )
    parser.add_argument("--json", metavar="FILE", help="write the record to a file")


def _add_fit(add) -> None:
    parser = add(
        "benchmark-fit",
        benchmark_fit,
        "measure fmkeras.fit beside model.fit on models of Keras",
    )
    parser.epilog = (
        "Models already in the record with the same settings are not measured again. "
        "Run nothing else on the machine meanwhile."
    )
    parser.add_argument(
        "--model",
        nargs="+",
        metavar="NAME",
        help="convnet-example, MobileNetV2, ResNet50, EfficientNetB0 (default: all)",
    )
    flags.add_backend(parser)
    flags.add_device(parser, default="cpu")
    parser.add_argument("--json", metavar="FILE", help="write the record to a file")


def _add_check(add) -> None:
    parser = add(
        "gpu-check", gpu_check, "check a GPU in minutes: run this first on a new one"
    )
    parser.epilog = (
        "Parity with PyTorch, exactness, resuming and speed of three models on each "
        "backend that is installed. --device cpu tries the checks without a GPU."
    )
    flags.add_device(parser, default="gpu")
    _add_backends(parser)
    parser.add_argument(
        "--model", nargs="+", metavar="NAME", help="(default: mlp lenet_relu cnn)"
    )


def _add_backends(parser) -> None:
    parser.add_argument(
        "--backends",
        nargs="+",
        choices=BACKENDS,
        metavar="NAME",
        help="one or more (default: all three)",
    )


def parity(args) -> int:
    """Compare networks with their PyTorch twins on every backend."""
    from fmkeras.benchmark.parity.run import run_parity
    from fmkeras.records import PARITY

    names = split_words(args.model) if args.model else None
    # A run over one network must not replace the record of all.
    out = args.json or (PARITY if not names and not args.backends else None)
    record = run_parity(
        names,
        backends=args.backends or BACKENDS,
        out=out,
        log=lambda line: print(line, flush=True),
    )
    failed = [r for r in record["results"] if not r["proven"]]
    for result in failed:
        print(f"Failed: {result['name']} on {result['backend']}")
    if not failed:
        print(f"Passed: all {len(record['results'])} comparisons.")
    if out:
        print(f"Record: {out}")
    return 1 if failed else 0


def gpu_check(args) -> int:
    """Check parity, exactness, resuming and speed on a GPU, a line each."""
    from fmkeras.benchmark.gpu_check.run import MODELS, run_gpu_check
    from fmkeras.models import model_info

    models = split_words(args.model or MODELS)
    for name in models:
        model_info(name)

    def log(check) -> None:
        color = {True: "32", False: "31", None: "33"}[check.passed]
        text = check.to_text()
        if sys.stdout.isatty():
            text = f"\033[{color}m{text}\033[0m"
        print(text, flush=True)

    checks = run_gpu_check(args.device, args.backends or (), models, log)
    failed = sum(check.passed is False for check in checks)
    print(f"{len(checks)} checks, {failed} failed.")
    return 1 if failed else 0


def benchmark(args) -> None:
    """Measure training and inference beside PyTorch and Keras's own `fit`."""
    from fmkeras.models import model_info

    names = split_words(args.model or [])
    for name in names:
        model_info(name)
    if args.growth and (args.quick or args.precision or args.batch_size):
        raise UserError(
            "--growth sets batch sizes and float32 itself; expected it without "
            "--quick, --precision and --batch-size: leave them out."
        )
    if args.scaling:
        return _measure_devices(args, names)
    import_keras()
    from fmkeras.report.doc_images import stamp

    out = args.json or _benchmark_record(args)
    (_measure_scaling if args.growth else _measure_speed)(args, names, out)
    picture = Path(out).with_suffix(".png")
    stamp(picture, records=[Path(out)])
    print(f"Record: {out}")
    print(f"Picture: {picture}")


def benchmark_fit(args) -> None:
    """Measure `fmkeras.fit` beside `model.fit`, both on one backend."""
    from fmkeras.benchmark.speed.fit import run_fit_benchmark
    from fmkeras.records import fit_record
    from fmkeras.report.tables.fit import fit_table

    out = args.json or fit_record(args.device, args.backend)
    record = run_fit_benchmark(
        split_words(args.model or []),
        out=out,
        backend=args.backend,
        device=args.device,
        log=lambda line: print(line, flush=True),
    )
    print(f"\n{fit_table(record)}")
    print(f"Record: {out}")


def _measure_speed(args, names, out) -> None:
    from fmkeras.benchmark.speed.run import (
        QUICK_NETS,
        default_competitors,
        quick_competitors,
        run_benchmark,
    )
    from fmkeras.datasets.fashion_mnist import find
    from fmkeras.report.plots.speed import plot_speed
    from fmkeras.report.tables.speed import benchmark_note, rate_table, ratio_table

    backends = args.backends or BACKENDS
    competitors = default_competitors(backends, args.precision, args.device)
    turns = {}
    if args.quick:
        names = names or QUICK_NETS
        competitors = quick_competitors(backends)
        turns = {"rounds": 3, "seconds": 0.3}
    record = run_benchmark(
        names,
        competitors=competitors,
        out=out,
        device=args.device,
        batch_size=args.batch_size or 128,
        data_dir=find() if _usual(args) and not args.quick else None,
        log=lambda line: print(line, flush=True),
        **turns,
    )
    print(f"\n{benchmark_note(record)}")
    for what, title in (("train", "Training"), ("predict", "Inference")):
        print(f"\n{title}, images per second:\n{rate_table(record, what)}")
        print(f"\n{title}, ratios:\n{ratio_table(record, what)}")
    plot_speed(record, Path(out).with_suffix(".png"))


def _measure_scaling(args, names, out) -> None:
    from fmkeras.benchmark.speed.run import quick_competitors
    from fmkeras.benchmark.speed.scaling import run_scaling
    from fmkeras.report.plots.speed import plot_scaling
    from fmkeras.report.tables.speed import augmentation_table, scaling_table

    record = run_scaling(
        names,
        competitors=quick_competitors(args.backends or BACKENDS),
        out=out,
        device=args.device,
        log=lambda line: print(line, flush=True),
    )
    print(f"\nTraining, images per second:\n{scaling_table(record)}")
    print(f"\nCost of augmentation per step:\n{augmentation_table(record)}")
    plot_scaling(record, Path(out).with_suffix(".png"))


def _measure_devices(args, names) -> None:
    others = args.growth or args.quick or args.precision or args.device != "cpu"
    if others:
        raise UserError(
            "--scaling measures processes on cores in float32; expected it without "
            "--growth, --quick, --precision and --device gpu: leave them out."
        )
    import_keras()
    from fmkeras.benchmark.speed.devices import BATCH, run_device_scaling
    from fmkeras.records import devices_record
    from fmkeras.report.tables.devices import devices_table

    custom = args.backends or args.batch_size or names
    out = args.json or (None if custom else devices_record(args.device))
    if out is None:
        raise UserError(
            "A part of the measurement must not replace the record of all; expected "
            "--json FILE (make: OUT=FILE) beside --model, --backends or --batch-size."
        )
    record = run_device_scaling(
        names,
        out=out,
        backends=args.backends or BACKENDS,
        batch=args.batch_size or BATCH,
        log=lambda line: print(line, flush=True),
    )
    print(f"\n{devices_table(record)}")
    print(f"Record: {out}")


def _benchmark_record(args) -> Path:
    """Return the record's path: other settings must not replace the usual record."""
    from fmkeras.records import speed_record

    quick = "-quick" if args.quick else ""
    own = "" if _usual(args) else "-custom"
    return speed_record(args.device, scaling=args.growth, suffix=quick + own)


def _usual(args) -> bool:
    return not (args.backends or args.precision or args.batch_size)
