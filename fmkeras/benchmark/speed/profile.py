"""Where the time of a training step goes, by the kind of operation, on torch."""

import torch
from torch.profiler import ProfilerActivity, profile

# What the names of torch's operations hold; the first that fits counts.
_KINDS = {
    "convolutions": ("convolution",),
    "products": ("::mm", "addmm", "linear", "bmm"),
    "pooling": ("pool",),
    "normalisation": ("batch_norm",),
    "activations": ("relu", "threshold", "sigmoid"),
}
REST = "rest"
KINDS = (*_KINDS, REST)


def profile_steps(train, steps: int) -> dict[str, float]:
    """Return the milliseconds a step that each of `KINDS` takes.

    `train` trains `steps` steps. Counted is the time in the operations themselves, on
    the device, so that what Python does between them is left out.
    """
    gpu = torch.cuda.is_available()
    activities = [ProfilerActivity.CUDA if gpu else ProfilerActivity.CPU]
    with profile(activities=activities) as found:
        train()
    times = dict.fromkeys(KINDS, 0.0)
    for event in found.key_averages():
        took = event.self_device_time_total if gpu else event.self_cpu_time_total
        times[_kind(event.key)] += took / 1e3 / steps
    return {kind: round(took, 3) for kind, took in times.items()}


def _kind(name: str) -> str:
    for kind, parts in _KINDS.items():
        if any(part in name for part in parts):
            return kind
    return REST
