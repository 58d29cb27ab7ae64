"""Processes of jax.distributed, one device each.

The environment: JAX_COORDINATOR_ADDRESS, which jax reads itself, and JAX_NUM_PROCESSES
and JAX_PROCESS_ID, without which jax finds both out under SLURM and Open MPI.
"""

import contextlib
import os
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from fmkeras.engines.parallel.processes import Processes
from fmkeras.errors import PeerLost, UserError, is_out_of_memory


def join() -> "JaxProcesses":
    """Join the processes that the environment describes."""
    numbers = {
        name: int(os.environ[variable])
        for name, variable in (
            ("num_processes", "JAX_NUM_PROCESSES"),
            ("process_id", "JAX_PROCESS_ID"),
        )
        if variable in os.environ
    }
    # Its handler would take SIGTERM, which here ends a training in good order.
    jax.config.update("jax_enable_preemption_service", False)
    with _peers():
        jax.distributed.initialize(
            **numbers, heartbeat_timeout_seconds=30, shutdown_timeout_seconds=10
        )
        processes = JaxProcesses()
        processes.total(np.zeros(1))
    return processes


class JaxProcesses(Processes):
    """All processes of the jax program; arrays stay on the device of this one."""

    def __init__(self) -> None:
        self.rank, self.count = jax.process_index(), jax.process_count()
        if jax.local_device_count() > 1:
            raise UserError(
                "A process of a training on jax has one device; expected as many "
                "processes as devices: name each one's in CUDA_VISIBLE_DEVICES or "
                f"JAX_LOCAL_DEVICE_IDS. Received: {jax.local_device_count()} devices"
            )
        devices = sorted(jax.devices(), key=lambda device: device.process_index)
        mesh = Mesh(np.array(devices), ("processes",))
        self._rows = NamedSharding(mesh, PartitionSpec("processes"))
        self._sum = jax.jit(
            lambda rows: rows.sum(0), out_shardings=NamedSharding(mesh, PartitionSpec())
        )

    def total(self, values):
        # As words of 32 bits: jax would round float64 values.
        words = np.ascontiguousarray(values, np.float64).view(np.uint32)
        with _peers():
            rows = multihost_utils.process_allgather(words)
        rows = np.ascontiguousarray(rows).reshape(self.count, *words.shape)
        return rows.view(np.float64).sum(0)

    def sum(self, values: jax.Array) -> jax.Array:
        """Return the sum of an array over all processes, on the device of this one."""
        rows = jax.make_array_from_single_device_arrays(
            (self.count, *values.shape), self._rows, [values[None]]
        )
        return self._sum(rows).addressable_data(0)

    def watch(self):
        return _peers()

    def leave(self):
        jax.distributed.shutdown()


@contextlib.contextmanager
def _peers() -> Iterator[None]:
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise PeerLost(str(error)) from error


def pack(tensors) -> jax.Array:
    """Return the values of arrays in one flat array, float32."""
    return jnp.concatenate([x.reshape(-1).astype(jnp.float32) for x in tensors])


def unpack(flat: jax.Array, like) -> list[jax.Array]:
    """Return what `pack` has packed, in the shapes and types of `like`."""
    ends = np.cumsum([x.size for x in like])[:-1]
    parts = jnp.split(flat, ends)
    return [
        part.reshape(x.shape).astype(x.dtype)
        for part, x in zip(parts, like, strict=True)
    ]
