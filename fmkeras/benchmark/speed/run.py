"""How fast networks train and predict here, beside PyTorch and Keras's own `fit`.

All competitors of a network are measured in the same run, in turns; what counts is the
ratio of their medians, not the seconds.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from fmkeras.backends import BACKENDS
from fmkeras.benchmark.speed.end_to_end import measure_end_to_end
from fmkeras.benchmark.speed.expected import expected_seconds
from fmkeras.benchmark.speed.machine import (
    cores_in_use,
    describe_machine,
    warn_if_busy,
)
from fmkeras.benchmark.speed.memory import available_memory
from fmkeras.benchmark.speed.record import load_or_create_record
from fmkeras.benchmark.speed.rounds import (
    Competitor,
    ContestantFailed,
    WorkerProcess,
    for_each_worker,
    run_rounds,
)
from fmkeras.benchmark.speed.spread import rate_text, warn_if_wide
from fmkeras.engines.device import has_bfloat16_hardware
from fmkeras.errors import UserError
from fmkeras.files import write_json
from fmkeras.models import list_models, model_info
from fmkeras.models.summary import STEP_OPERATIONS
from fmkeras.provenance import provenance
from fmkeras.text.durations import Countdown, about

PRECISIONS = ("float32", "bfloat16")
QUICK_NETS = ("mynet", "lenet", "mlp")
# Of a matrix product's rate, what a step of a large network may be expected to reach.
EXPECTED_SHARE = 0.25
# Whose steps are taken apart, and over how many of them.
PROFILED = ("ours-torch", "ours-torch-bfloat16", "pytorch-tensors")
PROFILED_STEPS = 10
# How many times the rounds there may be where they differ much.
MORE_ROUNDS = 3
# All competitors of a network live at once; where memory is short, who goes first.
STARTING = ("tensors", "tuned", "ours", "keras-fit", "loader")
# They grow after their first step.
MEMORY_MARGIN = 2.5


def default_competitors(
    backends: Sequence[str] = BACKENDS,
    precisions: Sequence[str] | None = None,
    device: str = "cpu",
) -> list[Competitor]:
    """Return our engine on each backend, Keras's `fit`, and the three PyTorch loops.

    In float32, and in bfloat16 where the device has hardware for it, unless
    `precisions` says otherwise. On a CPU jax computes bfloat16 in float32, with copies
    to and fro: left out. Also with a compiler's work, torch in each precision,
    tensorflow in float32; jax has no other way.
    """
    precisions = _precisions(device) if precisions is None else precisions
    ours = [
        Competitor("ours", backend, precision)
        for backend in backends
        for precision in precisions
        if (backend, precision, device) != ("jax", "bfloat16", "cpu")
    ]
    ours += [
        Competitor("ours", backend, precision, compiled=True)
        for backend in backends
        for precision in precisions
        if backend == "torch" or (backend, precision) == ("tensorflow", "float32")
    ]
    peers = [Competitor(kind) for kind in ("loader", "tensors", "tuned")]
    return [*ours, Competitor("keras-fit", backends[0]), *peers]


def quick_competitors(backends: Sequence[str] = BACKENDS) -> list[Competitor]:
    """Return our engine on each backend in float32, and the plain PyTorch loop."""
    return [*(Competitor("ours", name) for name in backends), Competitor("tensors")]


def run_benchmark(
    names: Sequence[str] | None = None,
    *,
    competitors: Sequence[Competitor] = (),
    out: str | os.PathLike,
    device: str = "cpu",
    batch_size: int = 128,
    rounds: int = 5,
    seconds: float = 0.5,
    step_limit: float = 10.0,
    data_dir: str | os.PathLike | None = None,
    log: Callable[[str], None] = print,
) -> dict:
    """Measure networks one after another and return the record.

    Args:
        names: all by default.
        competitors: `default_competitors()` if none are given.
        out: the JSON file, written after each network; networks that it holds
            already, measured with the same settings, are not measured again.
        device: cpu, or gpu for the one that the backends find.
        batch_size: of training.
        rounds: turns of each competitor; up to three times as many where they differ
            so much that their median is not known to 15 %.
        seconds: about how long a turn takes.
        step_limit: a network whose step would take longer is left out, by estimate.
        data_dir: the folder of Fashion-MNIST's files: a whole training run is timed
            too, beside a plain script; not where None.
        log: takes lines of progress.

    Raises `UserError` for an unknown network, or a record that cannot be read.
    """
    names = list(names or list_models())
    for name in names:
        model_info(name)
    competitors = list(competitors or default_competitors())
    settings = {
        "device": device,
        "batch_size": batch_size,
        "rounds": rounds,
        "seconds_a_round": seconds,
        "contestants": [competitor.label for competitor in competitors],
    }
    record = load_or_create_record(Path(out), settings, _machine(device), log)
    warn_if_busy(record["machine"].get("busy_cores"), log)
    if data_dir is not None and "whole_run" not in record:
        log("lenet, one epoch, from command to end")
        record["whole_run"] = measure_end_to_end(data_dir) | provenance()
        write_json(out, record)
        log(f"  {record['whole_run']['ratio']:.2f} times a plain script's time")
    costs = _multiply_adds(names)
    expected = [expected_seconds(name, competitors, settings) for name in names]
    new = [n not in record["models"] for n in names]
    if any(new):
        seconds = sum(itertools.compress(expected, new))
        log(f"{sum(new)} networks: {about(seconds)}, by the rates that are shipped")
    countdown = Countdown(len(names), "networks", log, expected)
    for number, name in enumerate(names):
        if name in record["models"]:
            log(f"{name}: measured before")
            countdown.skip()
            continue
        log(f"{name} ({number + 1} of {len(names)})")
        operations = STEP_OPERATIONS * costs[name] * batch_size
        estimate = operations / (EXPECTED_SHARE * record["machine"]["float32"])
        if estimate > step_limit:
            entry = {"left_out": f"a step would take about {estimate:.0f} s"}
            log(f"  left out: {entry['left_out']}")
        else:
            busy = cores_in_use()
            warn_if_busy(busy, log)
            entry = _measure(name, competitors, settings, log) | {"busy_cores": busy}
        record["models"][name] = {"multiply_adds": costs[name], **entry, **provenance()}
        write_json(out, record)
        countdown.done()
    return record


def _measure(name: str, competitors, settings: dict, log) -> dict:
    from fmkeras.engines.engine import evaluation_batch
    from fmkeras.models.registry import build_graph

    unit = evaluation_batch(build_graph(name))
    batch_size, device = settings["batch_size"], settings["device"]
    entry: dict = {"first_step": {}, "first_prediction": {}, "failed": {}}
    with contextlib.ExitStack() as stack:
        workers: list[WorkerProcess] = []
        largest = 0
        for competitor in sorted(competitors, key=lambda c: STARTING.index(c.kind)):
            free = available_memory()
            if free < MEMORY_MARGIN * largest:
                reason = (
                    f"not started: {free / 1e9:.1f} GB of memory left beside the "
                    f"others, of whom one took {largest / 1e9:.1f} GB"
                )
                entry["failed"][competitor.label] = reason
                continue
            worker = stack.enter_context(
                WorkerProcess(competitor, name, batch_size, device)
            )
            try:
                answer = worker.ask("warm", unit)
            except ContestantFailed as error:
                entry["failed"][competitor.label] = str(error)
                continue
            largest = max(largest, 1024 * answer["peak_memory"])
            entry["first_step"][competitor.label] = round(answer["first_step"], 2)
            entry["first_prediction"][competitor.label] = round(
                answer["first_prediction"], 2
            )
            workers.append(worker)
        turns = settings["seconds_a_round"], settings["rounds"]
        failed = entry["failed"]
        more = {"failed": failed, "most": MORE_ROUNDS * settings["rounds"]}
        entry["train"] = run_rounds(workers, "train", batch_size, *turns, **more)
        # The compiler works on the training step alone.
        others = [worker for worker in workers if not worker.competitor.compiled]
        entry["predict"] = run_rounds(others, "predict", unit, *turns, unit, **more)
        workers = [r for r in workers if r.competitor.label not in failed]
        entry |= {"profile": {}, "peak_memory_mb": {}}

        def profile(worker):
            label = worker.competitor.label
            if label in PROFILED:
                answer = worker.ask("profile", PROFILED_STEPS * batch_size)
                entry["profile"][label] = answer["profile"]

        def measure_memory(worker):
            kilobytes = worker.ask("predict", unit, unit)["peak_memory"]
            entry["peak_memory_mb"][worker.competitor.label] = kilobytes // 1024

        for_each_worker(workers, profile, failed)
        for_each_worker(workers, measure_memory, failed)
        for label in failed:
            log(f"  {label} failed: {failed[label]}")
    for what in ("train", "predict"):
        line = ", ".join(
            f"{label} {rate_text(figures)}" for label, figures in entry[what].items()
        )
        log(f"  {what}, images/s: {line}")
        warn_if_wide(what, entry[what], log)
    return entry


def _machine(device: str) -> dict:
    """Return what the machine is, and its rates of a matrix product, operations/s."""
    with WorkerProcess(Competitor("tensors"), "linear", 1, device) as worker:
        try:
            rates = {
                kind: worker.ask("product", kind)["rate"]
                for kind in _precisions(device)
            }
        except ContestantFailed as error:
            raise UserError(
                f"PyTorch does not run on this machine's {device}; expected it to "
                f"multiply two matrices. Received: {error}"
            ) from error
    return {**describe_machine(device), **rates}


def _precisions(device: str) -> tuple[str, ...]:
    """Return those that the device, cpu or gpu, has hardware for."""
    return PRECISIONS if has_bfloat16_hardware(device) else PRECISIONS[:1]


def _multiply_adds(names: Sequence[str]) -> dict[str, int]:
    from fmkeras.models.summary import model_rows

    return {row["name"]: row["multiply_adds"] for row in model_rows(names)}
