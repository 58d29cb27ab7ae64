"""Keras callbacks that say how a training goes: a bar, a line an epoch, an estimate."""

import shutil
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import keras
from tqdm.auto import tqdm

from fmkeras.text.durations import about, clock
from fmkeras.text.values import value_text

COLUMNS = 80
# The columns of a bar that is worth drawing, its edges included.
BAR = 8
# From the end of the first call of the step, which compiles, to the estimate.
SECONDS_TO_ESTIMATE = 3.0
# A training that ends sooner needs no estimate, one that ends later needs advice.
WORTH_SAYING = 30.0
LONG = 3600.0


class ProgressBar(keras.callbacks.Callback):
    """Shows a bar per epoch: images/s, time left of all epochs, loss, accuracy.

    In a terminal and in a notebook; elsewhere it prints a line per epoch instead.
    """

    takes_chunks = True  # A call for several batches will do.

    def __init__(self, train_size: int, batch_size: int) -> None:
        super().__init__()
        self.train_size = train_size
        self.batch_size = batch_size
        self._bar = None
        self._epoch = 0
        self._began = 0.0
        # Time and images when the first call, which compiles, was over.
        self._first: tuple[float, int] | None = None

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._first = epoch, None
        self._began = time.perf_counter()
        self._bar = tqdm(
            desc=f"Epoch {epoch + 1}/{self.params['epochs']}",
            total=self.train_size,
            leave=False,
            ncols=_columns(),
            bar_format="{desc}  [{bar}]",
            disable=not (sys.stderr.isatty() or "ipykernel" in sys.modules),
        )

    def on_train_batch_end(self, batch, logs=None):
        done = min((batch + 1) * self.batch_size, self.train_size)
        now = time.perf_counter()
        rate = None
        if self._first is None:
            self._first = now, done
        elif done > self._first[1] and now > self._first[0]:
            rate = (done - self._first[1]) / (now - self._first[0])
        self._bar.set_description_str(
            self._description(rate, done, logs or {}), refresh=False
        )
        self._bar.update(done - self._bar.n)

    def on_epoch_end(self, epoch, logs=None):
        self._bar.close()
        epochs = self.params["epochs"]
        # Runs log the seconds of training alone.
        seconds = logs.get("seconds", time.perf_counter() - self._began)
        names = [
            f"{prefix}{figure}"
            for prefix in ("", "val_", "test_")
            for figure in ("loss", "accuracy")
        ]
        parts = [
            f"Epoch {epoch + 1:>{len(str(epochs))}}/{epochs}",
            f"{self.train_size / seconds:,.0f} images/s",
            f"{clock(seconds * (epochs - epoch - 1))} left",
            *(f"{n} {logs[n]:.4f}" for n in names if n in logs),
        ]
        if "learning_rate" in logs:
            rate = float(f"{logs['learning_rate']:.3g}")
            parts.append(f"rate {value_text(rate)}")
        print(joined(parts, _columns() if sys.stdout.isatty() else None), flush=True)

    def close(self) -> None:
        """Remove the bar of an interrupted epoch."""
        if self._bar is not None:
            self._bar.close()

    def _description(self, rate: float | None, done: int, logs: dict) -> str:
        """Return what stands before the bar: as many figures as fit, whole."""
        epochs = self.params["epochs"]
        parts = [f"Epoch {self._epoch + 1}/{epochs}"]
        if rate:
            later = self.train_size * (epochs - self._epoch - 1)
            left = (self.train_size - done + later) / rate
            parts += [f"{rate:,.0f} images/s", f"{clock(left)} left"]
        parts += [f"{n} {logs[n]:.4f}" for n in ("loss", "accuracy") if n in logs]
        room = _columns() - BAR - 2
        while len(parts) > 1 and len("  ".join(parts)) > room:
            parts.pop()
        return "  ".join(parts)


class TimeEstimate(keras.callbacks.Callback):
    """Says once, after the first batches, how long the whole training will take.

    And, where that is long, what to do about it. `trainings` is how many of this
    length are to be done, this one included; `batch_size` that of this one.
    """

    takes_chunks = True

    def __init__(
        self,
        batch_size: int,
        log: Callable[[str], None] = print,
        trainings: int = 1,
        advise: bool = True,
    ) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.log = log
        self.trainings = trainings
        self.advise = advise
        self._first: tuple[float, int] | None = None
        self._epochs_left = 0
        self._said = False

    def on_epoch_begin(self, epoch, logs=None):
        self._epochs_left = self.params["epochs"] - epoch
        self._first = None

    def on_train_batch_end(self, batch, logs=None):
        if self._said:
            return
        now = time.perf_counter()
        if self._first is None:
            self._first = now, batch
            return
        took, steps = now - self._first[0], batch - self._first[1]
        if took < SECONDS_TO_ESTIMATE or steps < 1:
            return
        self._said = True
        epoch = took / steps * self.params["steps"]
        left = epoch * self._epochs_left - took / steps * (batch + 1)
        whole = left + epoch * self.params["epochs"] * (self.trainings - 1)
        if whole >= WORTH_SAYING:
            self.log(self._text(epoch, left, whole))

    def _text(self, epoch: float, left: float, whole: float) -> str:
        end = datetime.now() + timedelta(seconds=whole)
        until = f"{end:%H:%M}" if whole < 43_200 else f"{end:%A %d %B, %H:%M}"
        text = f"This training goes on for {about(left)}, {about(epoch)} an epoch"
        if self.trainings > 1:
            text += f";\nall {self.trainings} that are left take {about(whole)}"
        text += f": until {until}"
        if self.advise and whole > LONG:
            text += "\n" + advice(
                whole, self.params["epochs"], self.params["steps"] * self.batch_size
            )
        return text


def advice(seconds: float, epochs: int, train_size: int) -> str:
    """Return what shortens a training that is estimated to take so long."""
    share = LONG / seconds
    ways = []
    if epochs > 1:
        few = max(int(epochs * share), 1)
        takes = about(seconds * few / epochs)
        ways.append(f"--epochs {few} (make: EPOCHS={few}) takes {takes}")
    images = int(train_size * share) // 500 * 500
    if images >= 500:
        takes = about(seconds * images / train_size)
        ways.append(f"--limit {images} (make: LIMIT={images}) takes {takes}")
    ways.append("a smaller network, such as lenet_relu, takes minutes")
    ways.append("a GPU is many times as fast")
    return "\n".join(
        [
            "To make it shorter:",
            *(f"  {way}" for way in ways),
            "Ctrl-C interrupts it; --resume last (make: RESUME=last) goes on.",
        ]
    )


def joined(parts: list[str], columns: int | None = None) -> str:
    """Return parts side by side; lines that would be longer break between them."""
    lines = [parts[0]]
    for part in parts[1:]:
        if columns and len(lines[-1]) + 2 + len(part) > columns:
            lines.append(f"    {part}")
        else:
            lines[-1] += f"  {part}"
    return "\n".join(lines)


def _columns() -> int:
    return min(shutil.get_terminal_size((COLUMNS, 24)).columns, COLUMNS)
