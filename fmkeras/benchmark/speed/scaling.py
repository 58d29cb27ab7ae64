"""How the rate of training changes as work grows: batches, images, augmentation."""

import contextlib
import dataclasses
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
from fmkeras.errors import UserError
from fmkeras.files import write_json
from fmkeras.models import model_info
from fmkeras.provenance import provenance
from fmkeras.text.durations import Countdown

GROWTH_NETS = ("lenet", "mynet")
BATCHES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
SIDES = (28, 56, 112, 224)
AUGMENTATIONS = ("none", "crop-flip", "all")
BATCH = 128


def run_scaling(
    names: Sequence[str] | None = None,
    *,
    competitors: Sequence[Competitor],
    out: str | os.PathLike,
    device: str = "cpu",
    rounds: int = 5,
    seconds: float = 0.3,
    batches: Sequence[int] = BATCHES,
    sides: Sequence[int] = SIDES,
    augmentations: Sequence[str] = AUGMENTATIONS,
    log: Callable[[str], None] = print,
) -> dict:
    """Measure training over batches, image sizes and augmentation; return the record.

    Args:
        names: `GROWTH_NETS` by default; of networks that do not resize their images.
        competitors: who takes turns at each point.
        out: the JSON file, written after each network; networks that it holds
            already, measured with the same settings, are not measured again.
        device: cpu, or gpu for the one that the backends find.
        rounds: turns of each competitor at each point.
        seconds: about how long a turn takes.
        batches: images a step, of 28 x 28 pixels.
        sides: pixels a side of the images, in batches of 128.
        augmentations: of ours alone: none, crop-flip, all; in batches of 128.
        log: takes lines of progress.

    Raises `UserError` for an unknown network, one that resizes its images, or a
    record that cannot be read.
    """
    names = list(names or GROWTH_NETS)
    for name in names:
        size = model_info(name).input_size
        if size != 28:
            raise UserError(
                f"The network {name} resizes all images to {size} x {size} pixels; "
                "expected one that sees them as they are, such as mynet."
            )
    settings = {
        "device": device,
        "rounds": rounds,
        "seconds_a_round": seconds,
        "batches": list(batches),
        "sides": list(sides),
        "augmentations": list(augmentations),
        "batch_size": BATCH,
        "contestants": [competitor.label for competitor in competitors],
    }
    machine = describe_machine(device)
    record = load_or_create_record(Path(out), settings, machine, log)
    warn_if_busy(record["machine"]["busy_cores"], log)
    countdown = Countdown(len(names), "networks", log)
    for name in names:
        if name in record["models"]:
            log(f"{name}: measured before")
            countdown.skip()
            continue
        entry: dict = {"batch": {}, "side": {}, "augmentation": {}}
        with contextlib.ExitStack() as stack:
            workers = _racers(stack, competitors, name, device, 28)
            for batch in batches:
                turns = batch, seconds, rounds, batch
                entry["batch"][str(batch)] = _train(workers, *turns)
                log(_line(name, f"batches of {batch}", entry["batch"][str(batch)]))
                warn_if_wide("training", entry["batch"][str(batch)], log)
        for side in sides:
            with contextlib.ExitStack() as stack:
                workers = _racers(stack, competitors, name, device, side)
                turns = BATCH, seconds, rounds
                entry["side"][str(side)] = _train(workers, *turns)
                pixels = f"{side} x {side} pixels"
                log(_line(name, pixels, entry["side"][str(side)]))
                warn_if_wide("training", entry["side"][str(side)], log)
        changed = [
            dataclasses.replace(competitor, augmentation=augmentation)
            for competitor in competitors
            if competitor.kind == "ours"
            for augmentation in augmentations
        ]
        with contextlib.ExitStack() as stack:
            workers = _racers(stack, changed, name, device, 28)
            entry["augmentation"] = _train(workers, BATCH, seconds, rounds)
            log(_line(name, "augmented", entry["augmentation"]))
        record["models"][name] = entry | provenance()
        write_json(out, record)
        countdown.done()
    return record


def _train(workers: list[WorkerProcess], *turns) -> dict:
    try:
        return run_rounds(workers, "train", *turns)
    except ContestantFailed as error:
        raise UserError(
            "A competitor stopped while it trained; expected it to go on, on a machine "
            f"with memory for all of them at once. Received: {error}"
        ) from error


def _racers(stack, competitors, name, device, side) -> list[WorkerProcess]:
    from fmkeras.engines.engine import evaluation_batch
    from fmkeras.models.registry import build_graph

    # After a large prediction the C library keeps more memory, so that a plain loop
    # trains faster: each has predicted first, as in the speeds of all networks.
    unit = evaluation_batch(build_graph(name)) * 28**2 // side**2
    workers = []
    for competitor in competitors:
        worker = WorkerProcess(competitor, name, BATCH, device, side)
        stack.enter_context(worker)
        try:
            worker.ask("warm", max(unit, BATCH))
        except ContestantFailed as error:
            raise UserError(
                f"{competitor.label} does not train {name} on images of {side} "
                f"pixels; expected it to. Received: {error}"
            ) from error
        workers.append(worker)
    return workers


def _line(name: str, what: str, figures: dict) -> str:
    rates = [f"{label} {rate_text(found)}" for label, found in figures.items()]
    return f"{name}, {what}, images/s: {', '.join(rates)}"
