"""Which device the backend computes on, and why not on a GPU that is there."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import keras


def describe_device() -> str:
    """Return the device in use, such as 'CPU (Intel Xeon, 2 cores)', in one line."""
    name = _DEVICES[keras.backend.backend()]()
    return f"GPU ({name})" if name else f"CPU ({_processor()}, {os.cpu_count()} cores)"


def device_kind() -> str:
    """Return what the backend computes on: cpu or gpu."""
    return "gpu" if _DEVICES[keras.backend.backend()]() else "cpu"


def unusable_gpu() -> str | None:
    """Say why an NVIDIA GPU of this machine is not used; None where all is well."""
    backend = keras.backend.backend()
    if _DEVICES[backend]() or not _nvidia_gpu():
        return None
    return (
        f"This machine has {_nvidia_gpu()}, but {backend} does not use it: "
        f"{_REASONS[backend]()}. Expected a CUDA build: add ACCELERATOR=cuda."
    )


def _torch_device() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _torch_reason() -> str:
    import torch

    if torch.version.cuda is None:
        return "this torch was built without CUDA"
    try:
        torch.cuda.init()
    except Exception as error:  # whatever CUDA says is the reason
        return str(error).splitlines()[0]
    return "CUDA finds no device"


def _tensorflow_device() -> str | None:
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return None
    return tf.config.experimental.get_device_details(devices[0]).get("device_name")


def _tensorflow_reason() -> str:
    import tensorflow as tf

    if not tf.test.is_built_with_cuda():
        return "this tensorflow was built without CUDA"
    return "it does not find the CUDA libraries that it wants"


def _jax_device() -> str | None:
    import jax

    device = jax.devices()[0]
    return None if device.platform == "cpu" else device.device_kind


def _jax_reason() -> str:
    return "jax finds no CUDA plugin, or the plugin finds no device"


_DEVICES = {
    "torch": _torch_device,
    "tensorflow": _tensorflow_device,
    "jax": _jax_device,
}
_REASONS = {
    "torch": _torch_reason,
    "tensorflow": _tensorflow_reason,
    "jax": _jax_reason,
}


def _nvidia_gpu() -> str | None:
    """The name of the machine's first NVIDIA GPU, as its driver gives it."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    names = answer.stdout.splitlines() if answer.returncode == 0 else []
    return names[0].strip() if names else None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
