"""The commands that set networks beside PyTorch: parity, benchmark."""

from pathlib import Path

from fmkeras.backends import BACKENDS
from fmkeras.command_parts import import_keras, split_words


def parity(options) -> int:
    """Compare networks with their PyTorch twins on every backend."""
    from fmkeras.benchmark.parity_record import RECORD, run_parity

    names = [options.model] if options.model else None
    # The record of all networks is not lost to a look at one.
    out = options.json or (RECORD if not names and not options.backends else None)
    record = run_parity(
        names,
        backends=options.backends or BACKENDS,
        out=out,
        report=lambda line: print(line, flush=True),
    )
    failed = [r for r in record["results"] if not r["proven"]]
    for result in failed:
        print(f"Not proven: {result['name']} on {result['backend']}")
    if not failed:
        print(f"Proven: all of {len(record['results'])} comparisons.")
    if out:
        print(f"Record: {out}")
    return 1 if failed else 0


def benchmark(options) -> None:
    """Measure training and inference beside PyTorch and Keras's own `fit`."""
    from fmkeras.models import model_info

    names = split_words(options.model or [])
    for name in names:
        model_info(name)
    import_keras()
    from fmkeras.benchmark.throughput import (
        PRECISIONS,
        QUICK_NETS,
        RECORDS,
        default_contestants,
        quick_contestants,
        run_benchmark,
    )
    from fmkeras.datasets.fashion_mnist import find
    from fmkeras.report.benchmark_table import benchmark_note, rate_table, ratio_table
    from fmkeras.report.speed_chart import plot_speed

    names = names or (QUICK_NETS if options.quick else None)
    # The record of the usual settings is not lost to a measurement of others.
    usual = not (options.backends or options.precision or options.batch_size)
    quick = "-quick" if options.quick else ""
    own = "" if usual else "-custom"
    out = options.json or RECORDS / f"benchmark-{options.device}{quick}{own}.json"
    backends = options.backends or BACKENDS
    contestants = default_contestants(
        backends, options.precision or PRECISIONS, options.device
    )
    turns = {}
    if options.quick:
        contestants = quick_contestants(backends)
        turns = {"rounds": 3, "seconds": 0.3}
    record = run_benchmark(
        names,
        contestants=contestants,
        out=out,
        device=options.device,
        batch_size=options.batch_size or 128,
        data_dir=find() if usual and not options.quick else None,
        report=lambda line: print(line, flush=True),
        **turns,
    )
    print(f"\n{benchmark_note(record)}")
    for what, title in (("train", "Training"), ("predict", "Inference")):
        print(f"\n{title}, images a second:\n{rate_table(record, what)}")
        print(f"\n{title}, ratios:\n{ratio_table(record, what)}")
    print(f"Record: {out}")
    picture = Path(out).with_suffix(".png")
    plot_speed(record, picture)
    print(f"Picture: {picture}")
