"""Batches that fit the memory: looked for where one did not, estimated before any."""

import contextlib
import gc
import math
import resource
from pathlib import Path

import keras
import numpy as np

from fmkeras.errors import OutOfMemory, is_out_of_memory

# Of a container: its limit, what is used, and what of that are cached files, which
# give way; in the second and the first version of control groups.
_CGROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", "file"),
    (
        *("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
        "total_cache",
    ),
)


def no_memory(batch_size: int, fits: int | None, reason: str) -> OutOfMemory:
    """Return the error for a batch that was too large; `fits` is one that is not."""
    advice = f"give a batch_size of at most {fits} (make: BATCH={fits})"
    if fits is None:
        advice = "not even one image fits: use a smaller model, or free some memory"
    return OutOfMemory(
        f"The memory is too small for a step of {batch_size} images; expected a batch "
        f"that fits: {advice}. Received: {reason[:160] or 'out of memory'}"
    )


def fitting_batch(
    engine, data, batches: np.ndarray, params: np.ndarray, most: int | None = None
) -> int | None:
    """Return a batch size that fits, by trying halves; None where not even 1 does.

    The training's state is lost: this is for one that ends.
    """
    size = (most or batches.shape[1]) // 2
    while size >= 1:
        gc.collect()
        try:
            engine.recent.restore(engine)
            engine._train_steps(data, batches[:1, :size], params[:1, :size])
            return size
        except Exception as error:
            if not is_out_of_memory(error):
                return None
        size //= 2
    return None


def check_batch(model: keras.Model, batch_size: int, dtype: str = "float32") -> None:
    """Raise `OutOfMemory` for a batch whose layers alone need more than is free.

    Without this the system would end the process without a word. On a CPU alone.
    """
    each = batch_bytes(model, dtype)
    free = free_memory()
    if each * batch_size > free:
        fits = 2 ** int(math.log2(max(free / (4 * each), 1)))
        raise no_memory(
            batch_size, fits, f"{each * batch_size / 1e9:.1f} GB of {free / 1e9:.1f} GB"
        )


def batch_bytes(model: keras.Model, dtype: str = "float32") -> int:
    """Return the least bytes that a training step keeps of one image.

    The outputs of layers with kernels are needed until the backward pass.
    """
    size = 2 if dtype == "bfloat16" else 4
    total = 0
    for layer in model.layers:
        kernels = [weight for weight in layer.weights if len(weight.shape) > 1]
        with contextlib.suppress(AttributeError, ValueError):
            if kernels:
                for output in keras.tree.flatten(layer.output):
                    total += size * math.prod(side or 1 for side in output.shape[1:])
    return max(total, 1)


def free_memory() -> float:
    """Return the bytes that this process can still have; inf where nobody says."""
    found = [float("inf")]
    with contextlib.suppress(OSError, KeyError, ValueError, IndexError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        sizes = dict(line.split(":", 1) for line in text.splitlines())
        found.append(1024.0 * int(sizes["MemAvailable"].split()[0]))
    for folder, limit, used, cached in _CGROUPS:
        with contextlib.suppress(OSError, ValueError, KeyError):
            place = Path(folder)
            most, taken = (
                int((place / name).read_text(encoding="ascii"))
                for name in (limit, used)
            )
            lines = (place / "memory.stat").read_text(encoding="ascii").splitlines()
            stat = dict(line.split() for line in lines)
            found.append(float(most - taken + int(stat[cached])))
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most != resource.RLIM_INFINITY:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            found.append(float(most - pages * resource.getpagesize()))
    return max(min(found), 0.0)
