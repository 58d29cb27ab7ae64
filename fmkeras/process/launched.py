"""Processes that train together, one a device: what their environment tells them.

Each backend has variables of its own, which launchers such as torchrun and SLURM set.
Here they are read and made, before keras is imported.
"""

import json
import os
import shutil
import socket
import subprocess

from fmkeras.errors import UserError

# Set for processes that `fmkeras train` started itself: it tells of their end.
SUPERVISED = "FMKERAS_SUPERVISED"
HOST = "127.0.0.1"


def is_one_of_several(backend: str) -> bool:
    """Return whether this process was started as one of several."""
    if backend == "jax":
        return "JAX_COORDINATOR_ADDRESS" in os.environ
    if backend == "tensorflow":
        return len(_workers(os.environ.get("TF_CONFIG", ""))) > 1
    return os.environ.get("WORLD_SIZE", "1") not in ("", "1")


def is_supervised() -> bool:
    """Return whether `fmkeras train` started this process, and watches it."""
    return SUPERVISED in os.environ


def process_environments(backend: str, count: int, on_gpus: bool) -> list[dict]:
    """Return the variables of each of `count` processes on this machine.

    On GPUs each has one: on torch by LOCAL_RANK, elsewhere as the only one it sees.
    """
    ports = _free_ports(count)
    gpus = visible_gpus() if on_gpus and backend != "torch" else []
    made = []
    for rank in range(count):
        variables = {SUPERVISED: "1", **_variables(backend, rank, ports)}
        if gpus:
            variables["CUDA_VISIBLE_DEVICES"] = gpus[rank]
        made.append(variables)
    return made


def visible_gpus() -> list[str]:
    """Return the NVIDIA GPUs that a process here may use, by number or identifier."""
    if shutil.which("nvidia-smi") is None:
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip()]
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.split() if answer.returncode == 0 else []


def _variables(backend: str, rank: int, ports: list[int]) -> dict[str, str]:
    if backend == "jax":
        return {
            "JAX_COORDINATOR_ADDRESS": f"{HOST}:{ports[0]}",
            "JAX_NUM_PROCESSES": str(len(ports)),
            "JAX_PROCESS_ID": str(rank),
        }
    if backend == "tensorflow":
        workers = [f"{HOST}:{port}" for port in ports]
        task = {"type": "worker", "index": rank}
        return {"TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": task})}
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(len(ports)),
        "MASTER_ADDR": HOST,
        "MASTER_PORT": str(ports[0]),
    }


def _workers(text: str) -> list[str]:
    """Return the addresses of the workers in tensorflow's TF_CONFIG."""
    try:
        cluster = json.loads(text or "{}").get("cluster", {})
        return list(cluster.get("worker", []))
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(
            "The variable TF_CONFIG cannot be read; expected JSON such as "
            '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", '
            f'"index": 0}}}}. Received: {text!r}'
        ) from error


def _free_ports(count: int) -> list[int]:
    """Return ports of this machine that nothing listens at."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
