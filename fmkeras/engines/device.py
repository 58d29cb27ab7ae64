"""The device that the backend computes on, and the reason where that is no GPU."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import keras

CPUINFO = Path("/proc/cpuinfo")
# The flags of x86 and ARM processors in /proc/cpuinfo.
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}

# The environment of a process that is to see no GPU.
PROCESSOR_ALONE = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}


def describe_device() -> str:
    """Return the name of the device in use, such as 'CPU (Intel Xeon, 2 cores)'."""
    name = _DEVICES[keras.backend.backend()]()
    return f"GPU ({name})" if name else describe_processor()


def describe_processor() -> str:
    """Return the name of the processor, in use or not, as `describe_device` does."""
    return f"CPU ({processor_name()}, {os.cpu_count()} cores)"


def processor_name() -> str:
    """Return what the processor calls itself, such as 'AMD EPYC'."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def gpu_name() -> str | None:
    """Return the name of the machine's first NVIDIA GPU, used or not."""
    return _nvidia_gpu("name")


def num_threads() -> int:
    """Return how many threads a computation on the CPU takes at most.

    Sums are divided among them: another number gives other last digits.
    """
    allowed = len(os.sched_getaffinity(0))
    if keras.backend.backend() == "torch":
        import torch

        return torch.get_num_threads()
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(told), allowed) if told.isdecimal() and int(told) else allowed


def device_kind() -> str:
    """Return the kind of device that the backend computes on: cpu or gpu."""
    return "gpu" if _DEVICES[keras.backend.backend()]() else "cpu"


def num_gpus() -> int:
    """Return how many GPUs the backend can use."""
    backend = keras.backend.backend()
    return _COUNTS[backend]() if _DEVICES[backend]() else 0


def multiplies_bfloat16() -> bool:
    """Return whether the backend multiplies matrices in bfloat16 by hardware for it.

    Otherwise values are converted to float32 and back, as jax does on every CPU.
    """
    kind = device_kind()
    converts = (kind, keras.backend.backend()) == ("cpu", "jax")
    return not converts and has_bfloat16_hardware(kind)


def has_bfloat16_hardware(kind: str) -> bool:
    """Return whether this machine's cpu or gpu multiplies in bfloat16.

    False where it is not known.
    """
    if kind == "gpu":
        # NVIDIA GPUs from compute capability 8.0 on.
        capability = _nvidia_gpu("compute_cap") or "0"
        return int(capability.split(".")[0]) >= 8
    return bool(BFLOAT16_FLAGS & _processor_flags())


def unusable_gpu() -> str | None:
    """Return why an NVIDIA GPU of this machine is not used; None where one is."""
    backend = keras.backend.backend()
    if _DEVICES[backend]() or not _nvidia_gpu("name"):
        return None
    return (
        f"This machine has {_nvidia_gpu('name')}, but {backend} does not use it: "
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
    except Exception as error:  # the message is the reason
        return str(error).splitlines()[0]
    return "CUDA finds no device"


def _torch_count() -> int:
    import torch

    return torch.cuda.device_count()


def _tensorflow_device() -> str | None:
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return None
    return tf.config.experimental.get_device_details(devices[0]).get("device_name")


def _tensorflow_count() -> int:
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def _tensorflow_reason() -> str:
    import tensorflow as tf

    if not tf.test.is_built_with_cuda():
        return "this tensorflow was built without CUDA"
    return "it does not find the CUDA libraries that it wants"


def _jax_device() -> str | None:
    import jax

    device = jax.devices()[0]
    return None if device.platform == "cpu" else device.device_kind


def _jax_count() -> int:
    import jax

    return jax.local_device_count()


def _jax_reason() -> str:
    return "jax finds no CUDA plugin, or the plugin finds no device"


_DEVICES = {
    "torch": _torch_device,
    "tensorflow": _tensorflow_device,
    "jax": _jax_device,
}
_COUNTS = {
    "torch": _torch_count,
    "tensorflow": _tensorflow_count,
    "jax": _jax_count,
}
_REASONS = {
    "torch": _torch_reason,
    "tensorflow": _tensorflow_reason,
    "jax": _jax_reason,
}


def _nvidia_gpu(what: str) -> str | None:
    """Query the driver about the first NVIDIA GPU, by `name` or `compute_cap`."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    found = answer.stdout.splitlines() if answer.returncode == 0 else []
    return found[0].strip() if found else None


def _processor_flags() -> set[str]:
    return set((_cpuinfo("flags") or _cpuinfo("Features") or "").split())


def _cpuinfo(key: str) -> str | None:
    """Return the value of `key` for the first processor in /proc/cpuinfo."""
    text = CPUINFO.read_text(encoding="utf-8") if CPUINFO.exists() else ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None
