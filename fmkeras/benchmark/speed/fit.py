"""How fast `fmkeras.fit` trains models of Keras's own, beside `model.fit`."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from fmkeras.benchmark.speed.machine import describe_machine, warn_if_busy
from fmkeras.benchmark.speed.record import load_or_create_record
from fmkeras.benchmark.speed.rounds import (
    Competitor,
    ContestantFailed,
    WorkerProcess,
    run_rounds,
)
from fmkeras.benchmark.speed.spread import rate_text, warn_if_wide
from fmkeras.errors import UserError, unknown
from fmkeras.files import write_json
from fmkeras.provenance import provenance
from fmkeras.text.durations import Countdown

# As fmkeras.benchmark.speed.any_model builds them.
MODELS = ("convnet-example", "MobileNetV2", "ResNet50", "EfficientNetB0")
# Keras's default, and what its example takes.
BATCHES = (32, 128)
KINDS = ("fmkeras-fit", "model-fit")
# Images at least in a prediction.
PREDICTED = 256


def run_fit_benchmark(
    names: Sequence[str] | None = None,
    *,
    out: str | os.PathLike,
    backend: str = "torch",
    device: str = "cpu",
    rounds: int = 5,
    seconds: float = 1.0,
    batches: Sequence[int] = BATCHES,
    log: Callable[[str], None] = print,
) -> dict:
    """Measure training by `fmkeras.fit` and `model.fit`, in turns; return the record.

    Args:
        names: of `MODELS`; all by default.
        out: the JSON file, written after each model; models that it holds already,
            measured with the same settings, are not measured again.
        backend: the backend of both.
        device: cpu, or gpu for the one that the backend finds.
        rounds: turns of each at each batch size.
        seconds: about how long the measured epoch of a turn takes.
        batches: images a step.
        log: takes lines of progress.

    Raises `UserError` for an unknown model, a record that cannot be read, or a
    training that fails.
    """
    names = list(names or MODELS)
    for name in names:
        if name not in MODELS:
            raise unknown("model", name, MODELS)
    competitors = [Competitor(kind, backend) for kind in KINDS]
    settings = {
        "device": device,
        "backend": backend,
        "batches": list(batches),
        "rounds": rounds,
        "seconds_a_round": seconds,
        "contestants": [competitor.label for competitor in competitors],
    }
    machine = describe_machine(device)
    record = load_or_create_record(Path(out), settings, machine, log)
    warn_if_busy(record["machine"]["busy_cores"], log)
    countdown = Countdown(len(names), "models", log)
    for name in names:
        if name in record["models"]:
            log(f"{name}: measured before")
            countdown.skip()
            continue
        entry: dict = {"first_step": {}, "batch": {}}
        try:
            with contextlib.ExitStack() as stack:
                workers = []
                for competitor in competitors:
                    worker = stack.enter_context(
                        WorkerProcess(competitor, name, batches[0], device)
                    )
                    answer = worker.ask("warm", PREDICTED)
                    entry["first_step"][competitor.label] = answer["first_step"]
                    workers.append(worker)
                for batch in batches:
                    figures = run_rounds(
                        workers, "train", batch, seconds, rounds, batch
                    )
                    entry["batch"][str(batch)] = figures
                    log(_line(f"{name}, batches of {batch}", figures))
                    warn_if_wide("training", figures, log)
                turns = PREDICTED, seconds, rounds, PREDICTED
                entry["predict"] = run_rounds(workers, "predict", *turns)
                log(_line(f"{name}, inference", entry["predict"]))
                warn_if_wide("inference", entry["predict"], log)
        except ContestantFailed as error:
            raise UserError(
                f"The training of {name} stopped; expected it to go on, on a machine "
                f"with memory for two of it. Received: {error}"
            ) from error
        record["models"][name] = entry | provenance()
        write_json(out, record)
        countdown.done()
    return record


def _line(what: str, figures: dict) -> str:
    rates = [f"{label} {rate_text(found)}" for label, found in figures.items()]
    return f"{what}, images/s: {', '.join(rates)}"
