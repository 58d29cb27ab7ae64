"""A trial's hyperparameters for TensorBoard, whose HPARAMS page compares trials."""

import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from fmkeras.files import replacing

FILE = "events.out.tfevents.0.hparams"


def write_hyperparameters(folder: Path, trial_id: str, values: dict) -> None:
    """Write `values` beside the figures that the run writes into `folder`."""
    plain = {name: _plain(value) for name, value in values.items()}
    now = time.time()
    summary = hparams_pb(plain, trial_id=trial_id, start_time_secs=now)
    with replacing(folder / FILE) as temporary, open(temporary, "wb") as file:
        writer = RecordWriter(file)
        for content in ({"file_version": "brain.Event:2"}, {"summary": summary}):
            writer.write(Event(wall_time=now, **content).SerializeToString())
        writer.flush()


def _plain(value):
    if isinstance(value, list | tuple):
        return "-".join(map(str, value))
    return value
