"""The commands that run others many times: repeat, reproduce, campaign."""

from pathlib import Path

from fmkeras.studies import repeat as run_study
from fmkeras.studies import summarise


def repeat(options) -> None:
    flags = [] if options.epochs is None else ["--epochs", str(options.epochs)]
    records = run_study(
        options.name,
        options.model,
        options.backends,
        options.seeds,
        flags + options.flags,
    )
    for row in summarise(records):
        spread = "" if row["spread"] is None else f" +- {row['spread']:.4f}"
        print(
            f"{row['model']} on {row['backend']}, {row['epochs']} epochs: test "
            f"accuracy {row['mean']:.4f}{spread} over {len(row['seeds'])} seeds"
        )


def reproduce(options) -> None:
    """Train by a published protocol; print its figures beside ours."""
    from fmkeras.reproduction import comparison_text
    from fmkeras.reproduction import reproduce as run_protocol

    data = [] if options.data_dir is None else ["--data-dir", options.data_dir]
    records = run_protocol(
        options.model,
        options.backend,
        options.seeds,
        options.epochs,
        data + options.flags,
    )
    print(comparison_text(options.model, records))


def campaign(options) -> int:
    """Run the commands whose records the tables want of a device, in a given time."""
    from fmkeras.campaign import ARCHIVE, commands_of, run_campaign

    commands = [c for part in options.part for c in commands_of(part, options.device)]
    left = run_campaign(
        commands,
        options.out,
        options.minutes,
        report=lambda line: print(line, flush=True),
    )
    print(f"Records: {Path(options.out) / ARCHIVE}")
    print(f"Brought to an end: {len(commands) - left} of {len(commands)} commands.")
    return 1 if left else 0
